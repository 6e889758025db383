//! Local files as an object store. A name appears at once with its whole content, or not at all, whenever the process
//! may be killed.
//!
//! What is being written has a hidden name in the same folder, `.<name>.<random>.unfinished`, and is renamed when it is
//! whole; a copy is a hard link where the file system has them. Every other name is an object, `a#1` too, which the
//! store of local files in `object_store` keeps for itself.

mod upload;

use std::{
    fs::{File, Metadata, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path as FilePath, PathBuf},
};

use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Attributes, CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use tempfile::{NamedTempFile, TempPath};
use walkdir::WalkDir;

/// What the names of files being written end with.
const UNFINISHED: &str = ".unfinished";
/// Random letters in such a name.
const RANDOM_LETTERS: usize = 12;
/// Bytes of an object's name that such a name repeats: with the rest it must not be longer than names may be (255).
const NAME_BYTES_MAX: usize = 200;
/// Read and write for all, less what the process' umask takes away.
const MODE: u32 = 0o666;
/// Deletions at a time.
const DELETIONS: usize = 10;

/// The local file system, from its root.
#[derive(Debug)]
pub(crate) struct LocalFiles;

impl std::fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("local files")
    }
}

impl LocalFiles {
    /// What is being written below a folder, and what killed processes left of it.
    pub(crate) async fn unfinished(folder: &Path) -> Result<Vec<ObjectMeta>> {
        let folder = file_of(folder);
        blocking(move || walk(&folder, true)).await
    }
}

/// The file of an object.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("/{path}"))
}

/// The name of the object that a hidden name stands for while it is written; none if it is another name.
pub(crate) fn finished_name(name: &str) -> Option<&str> {
    let (name, random) = name.strip_prefix('.')?.strip_suffix(UNFINISHED)?.rsplit_once('.')?;
    (random.len() == RANDOM_LETTERS && random.bytes().all(|letter| letter.is_ascii_alphanumeric())).then_some(name)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await?,
        Err(_) => work(),
    }
}

fn failed(file: &FilePath, error: io::Error) -> Error {
    let path = file.display().to_string();
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        _ => Error::Generic { store: "LocalFileSystem", source: error.into() },
    }
}

/// Begins a file under a hidden name beside its own. Dropped, it is deleted.
fn begin(file: &FilePath) -> io::Result<NamedTempFile> {
    let no_name = || io::Error::new(ErrorKind::InvalidInput, "is not the name of a file");
    let (folder, name) = file.parent().zip(file.file_name()).ok_or_else(no_name)?;
    let name = name.to_string_lossy();
    let prefix = format!(".{}.", &name[..name.floor_char_boundary(NAME_BYTES_MAX)]);
    let create = || {
        tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(UNFINISHED)
            .rand_bytes(RANDOM_LETTERS)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder)
    };
    match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            create()
        }
        created => created,
    }
}

/// Gives a whole file its own name.
fn finish(whole: TempPath, file: &FilePath, is_new: bool) -> io::Result<()> {
    let renamed = if is_new { whole.persist_noclobber(file) } else { whole.persist(file) };
    renamed.map_err(|error| error.error)
}

fn put(file: &FilePath, content: &PutPayload, is_new: bool) -> io::Result<()> {
    let mut begun = begin(file)?;
    for piece in content {
        begun.write_all(piece)?;
    }
    finish(begun.into_temp_path(), file, is_new)
}

fn copy(from: &FilePath, to: &FilePath, is_new: bool) -> io::Result<()> {
    match link(from, to) {
        Ok(()) => return Ok(()),
        Err(error) if is_new && error.kind() == ErrorKind::AlreadyExists => return Err(error),
        // There is something to be replaced, or the file system has no links.
        Err(_) => {}
    }
    let mut content = File::open(from)?;
    let mut begun = begin(to)?;
    io::copy(&mut content, begun.as_file_mut())?;
    finish(begun.into_temp_path(), to, is_new)
}

fn link(from: &FilePath, to: &FilePath) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound && from.exists() => {
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::hard_link(from, to)
        }
        linked => linked,
    }
}

fn meta(location: Path, metadata: &Metadata) -> io::Result<ObjectMeta> {
    let last_modified = metadata.modified()?.into();
    Ok(ObjectMeta { location, last_modified, size: metadata.len(), e_tag: None, version: None })
}

/// Only regular files are objects: to open a pipe would wait for a writer.
fn is_object(file: &FilePath) -> io::Result<()> {
    if std::fs::metadata(file)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::NotFound, "is not a regular file"))
}

fn get(location: Path, options: GetOptions) -> Result<GetResult> {
    let file = file_of(&location);
    let at_file = |error| failed(&file, error);
    is_object(&file).map_err(at_file)?;
    let open = File::open(&file).map_err(at_file)?;
    let meta = open.metadata().and_then(|metadata| meta(location, &metadata)).map_err(at_file)?;
    options.check_preconditions(&meta)?;
    let range = match options.range {
        Some(range) => range.as_range(meta.size).map_err(|error| failed(&file, io::Error::other(error)))?,
        None => 0..meta.size,
    };
    Ok(GetResult { payload: GetResultPayload::File(open, file), meta, range, attributes: Attributes::default() })
}

/// The regular files below a folder, by symbolic links too: the objects, or what is being written. What is deleted
/// meanwhile may be missing, and a link that leads nowhere is.
fn walk(folder: &FilePath, is_unfinished: bool) -> Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder).min_depth(1).follow_links(true) {
        let file = match entry {
            Ok(entry) if entry.file_type().is_file() => entry.into_path(),
            Ok(_) => continue,
            Err(error) if error.io_error().is_some_and(|io| io.kind() == ErrorKind::NotFound) => continue,
            Err(error) => {
                let file = error.path().unwrap_or(folder).to_owned();
                return Err(failed(&file, error.into()));
            }
        };
        let no_text = || io::Error::new(ErrorKind::InvalidData, format!("{}: is not UTF-8", file.display()));
        let name = file.to_str().ok_or_else(no_text).map_err(|error| failed(&file, error))?;
        if finished_name(name.rsplit('/').next().unwrap_or(name)).is_some() != is_unfinished {
            continue;
        }
        let location = Path::parse(name)?;
        match std::fs::metadata(&file).and_then(|metadata| meta(location, &metadata)) {
            Ok(meta) => found.push(meta),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&file, error)),
        }
    }
    Ok(found)
}

/// How a put that found nothing to complain about is answered.
fn stored() -> PutResult {
    PutResult { e_tag: None, version: None }
}

#[async_trait::async_trait]
impl ObjectStore for LocalFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let is_new = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented { operation: "update".into(), implementer: self.to_string() });
            }
        };
        let file = file_of(location);
        blocking(move || put(&file, &payload, is_new).map_err(|error| failed(&file, error)).map(|()| stored())).await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let file = file_of(location);
        let begun = blocking(move || upload::Upload::begin(file)).await?;
        Ok(Box::new(begun))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let location = location.clone();
        blocking(move || get(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let delete = |location: Result<Path>| {
            blocking(move || {
                let location = location?;
                let file = file_of(&location);
                std::fs::remove_file(&file).map_err(|error| failed(&file, error))?;
                Ok(location)
            })
        };
        locations.map(delete).buffered(DELETIONS).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.map_or_else(|| PathBuf::from("/"), file_of);
        let found = stream::once(blocking(move || walk(&folder, false)));
        found.map_ok(|found| stream::iter(found).map(Ok)).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(Error::NotImplemented { operation: "list of one level".into(), implementer: self.to_string() })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to, is_new) = (file_of(from), file_of(to), matches!(options.mode, CopyMode::Create));
        blocking(move || {
            let failed_at = |error: io::Error| {
                let is_missing = error.kind() == ErrorKind::NotFound;
                failed(if is_missing { &from } else { &to }, error)
            };
            copy(&from, &to, is_new).map_err(failed_at)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
