//! Folders that jobs read and write.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Copies a folder with all that is in it.
///
/// # Errors
/// If a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The lines of the files in a folder that readers see, sorted.
///
/// # Errors
/// If a file cannot be read.
pub fn lines(folder: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if path.is_file() && !is_hidden {
            lines.extend(fs::read_to_string(path)?.lines().map(str::to_owned));
        }
    }
    lines.sort();
    Ok(lines)
}
