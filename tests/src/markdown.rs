//! Markdown pages as the tests of the documentation read them: fenced blocks, links, headings.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Line of the fence, from 1.
    pub line: usize,
    /// The language, the first word after the fence.
    pub language: String,
    /// The other words: `file=job.sql`, `check`, `output`.
    pub tags: Vec<String>,
    /// The lines between the fences.
    pub text: String,
    /// Statements that a reader does not see: the lines of a comment `<!-- setup … -->` right before the block.
    pub setup: String,
}

impl Block {
    /// The value of a tag such as `file=job.sql`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether it has a tag.
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Path in the repository.
    pub name: String,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
    /// Where its links point to, with the line of each.
    pub links: Vec<(usize, String)>,
    /// The anchors of its headings, as GitHub makes them.
    pub anchors: BTreeSet<String>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// If it cannot be read, or a fence is not closed.
    pub fn read(root: &Path, name: &str) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned())?;
        let mut page = Self { name: name.to_owned(), blocks: Vec::new(), links: Vec::new(), anchors: BTreeSet::new() };
        let mut open: Option<(String, Block)> = None;
        let mut setup = Setup::default();
        for (index, line) in text.lines().enumerate() {
            if let Some((fence, mut block)) = open.take() {
                if line.trim() == fence {
                    page.blocks.push(block);
                } else {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some((fence, block));
                }
            } else if let Some((fence, info)) = fence(line) {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let (text, setup) = (String::new(), setup.take());
                open = Some((fence, Block { line: index + 1, language, tags: words.collect(), text, setup }));
            } else if !setup.add(line) {
                page.prose(index + 1, line);
            }
        }
        ensure!(open.is_none(), "{name}: a fenced block is not closed");
        Ok(page)
    }

    fn prose(&mut self, number: usize, line: &str) {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        if hashes > 0 && line[hashes..].starts_with(' ') {
            self.anchors.insert(anchor(line[hashes..].trim()));
        }
        let visible = without_code(line);
        for (at, _) in visible.match_indices("](") {
            let target: String = visible[at + 2..].chars().take_while(|char| *char != ')').collect();
            self.links.push((number, target));
        }
    }
}

/// Collects the statements of a setup comment.
#[derive(Default)]
struct Setup {
    inside: bool,
    text: String,
}

impl Setup {
    /// Whether the line belongs to such a comment.
    fn add(&mut self, line: &str) -> bool {
        if self.inside {
            self.inside = line.trim() != "-->";
            if self.inside {
                self.text.push_str(line);
                self.text.push('\n');
            }
            return true;
        }
        self.inside = line.trim() == "<!-- setup";
        if !self.inside && !line.trim().is_empty() {
            self.text.clear();
        }
        self.inside
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

/// The closing fence and the info string of a line that opens a block.
fn fence(line: &str) -> Option<(String, &str)> {
    let line = line.trim_start();
    let backticks = line.bytes().take_while(|byte| *byte == b'`').count();
    (backticks >= 3 && !line[backticks..].contains('`')).then(|| ("`".repeat(backticks), line[backticks..].trim()))
}

/// A line without its inline code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect::<String>().to_lowercase()
}

/// All pages of the repository, by their paths in it.
///
/// # Errors
/// If a folder cannot be read.
pub fn pages(root: &Path) -> Result<Vec<Page>> {
    let (mut names, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let name = path.display().to_string();
            if entry.file_type()?.is_dir() {
                let is_ours = !matches!(name.as_str(), "target" | ".git") && !name.starts_with("tests/fixtures");
                folders.extend(is_ours.then_some(path));
            } else if name.ends_with(".md") {
                names.push(name);
            }
        }
    }
    names.sort_unstable();
    names.iter().map(|name| Page::read(root, name)).collect()
}
