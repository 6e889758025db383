use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, buffered::BufWriter};
use tokio::io::AsyncWriteExt;

use super::*;

fn folder() -> (tempfile::TempDir, Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = Path::from_absolute_path(folder.path()).expect("a path");
    (folder, path)
}

/// An object below a folder, its name as it is.
fn object(root: &Path, name: &str) -> Path {
    Path::parse(format!("{root}/{name}")).expect("a path")
}

/// All names in a folder, sorted.
fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("utf-8")).collect();
    names.sort();
    names
}

async fn listed(path: &Path) -> Vec<String> {
    let found: Vec<_> = LocalFiles.list(Some(path)).try_collect().await.expect("listed");
    let mut names: Vec<_> = found.iter().map(|meta| meta.location.filename().expect("a name").to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn any_name_is_an_object() {
    let (folder, root) = folder();
    let odd = ["a#1", "b.json#2", "#3", "c#d", "e%20f", "g h", "ü", ".hidden", "_x", "x.unfinished", "*?[]", "~$y"];
    for name in odd {
        let path = object(&root, name);
        std::fs::write(folder.path().join(name), name).expect("written");
        assert_eq!(LocalFiles.get(&path).await.expect(name).bytes().await.expect(name), name);
        LocalFiles.put(&path, Bytes::from_static(b"new").into()).await.expect(name);
        assert_eq!(std::fs::read(folder.path().join(name)).expect(name), b"new");
    }
    let mut expected = odd.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(listed(&root).await, expected);
    for name in odd {
        LocalFiles.delete(&object(&root, name)).await.expect(name);
    }
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn links_are_followed_and_what_is_no_file_is_no_object() {
    let (folder, root) = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("below")).expect("a folder");
    std::fs::write(at("below/file"), "x").expect("written");
    std::os::unix::fs::symlink(at("below/file"), at("link")).expect("a link");
    std::os::unix::fs::symlink(at("nowhere"), at("broken")).expect("a link");
    drop(std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket"));
    assert_eq!(listed(&root).await, ["file", "link"]);
    for name in ["below", "broken", "socket"] {
        let error = LocalFiles.head(&object(&root, name)).await.expect_err(name);
        assert!(matches!(error, Error::NotFound { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn what_is_being_written_is_hidden_and_leaves_nothing() {
    let (folder, root) = folder();
    let path = object(&root, "part#0");
    let mut writer = BufWriter::with_capacity(std::sync::Arc::new(LocalFiles), path.clone(), 4);
    writer.put(Bytes::from_static(b"more than four")).await.expect("written");
    let begun = names(&folder);
    assert!(begun.len() == 1 && finished_name(&begun[0]) == Some("part#0"), "{begun:?}");
    assert_eq!(listed(&root).await, Vec::<String>::new());
    let unfinished = LocalFiles::unfinished(&root).await.expect("listed");
    assert_eq!(unfinished.len(), 1);
    writer.shutdown().await.expect("finished");
    assert_eq!((names(&folder), listed(&root).await), (vec!["part#0".to_owned()], vec!["part#0".to_owned()]));

    let mut dropped = BufWriter::with_capacity(std::sync::Arc::new(LocalFiles), object(&root, "other"), 4);
    dropped.put(Bytes::from_static(b"more than four")).await.expect("written");
    assert_eq!(names(&folder).len(), 2);
    drop(dropped);
    assert_eq!(names(&folder), ["part#0"]);
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let error = LocalFiles.put_opts(&path, Bytes::new().into(), create).await.expect_err("it is there");
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(names(&folder), ["part#0"]);
}

#[tokio::test]
async fn a_copy_is_one_step_and_may_replace() {
    let (folder, root) = folder();
    let at = |name: &str| object(&root, name);
    LocalFiles.put(&at("from"), Bytes::from_static(b"one").into()).await.expect("written");
    LocalFiles.copy(&at("from"), &at("new/to")).await.expect("copied");
    // Again, though both are one file by now, and over another.
    LocalFiles.copy(&at("from"), &at("new/to")).await.expect("copied");
    LocalFiles.put(&at("from"), Bytes::from_static(b"two").into()).await.expect("written");
    assert!(LocalFiles.copy_if_not_exists(&at("from"), &at("new/to")).await.is_err());
    assert_eq!(std::fs::read(folder.path().join("new/to")).expect("there"), b"one");
    LocalFiles.copy(&at("from"), &at("new/to")).await.expect("copied");
    assert_eq!(std::fs::read(folder.path().join("new/to")).expect("there"), b"two");
    assert_eq!(listed(&root).await, ["from", "to"]);
    assert_eq!(LocalFiles::unfinished(&root).await.expect("listed").len(), 0);
    let error = LocalFiles.copy(&at("none"), &at("x")).await.expect_err("there is none");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn files_are_readable_for_others_and_long_names_are_possible() {
    let (folder, root) = folder();
    let name = "ö".repeat(127);
    LocalFiles.put(&object(&root, &name), Bytes::new().into()).await.expect("written");
    std::fs::write(folder.path().join("plain"), "").expect("written");
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).expect("there").permissions().mode();
    assert_eq!(mode(&name), mode("plain"), "as any other program's");
}

#[test]
fn hidden_names_tell_what_they_stand_for() {
    let cases = [
        (".a.json.0123456789ab.unfinished", Some("a.json")),
        (".a.json.0123456789.unfinished", None),
        ("a.json.0123456789ab.unfinished", None),
        (".unfinished", None),
        ("a.json", None),
    ];
    for (name, expected) in cases {
        assert_eq!(finished_name(name), expected, "{name}");
    }
}

const KILLED: &str = "SLUICE_TEST_KILLED_WRITER";
const KILLED_BYTES: usize = 100_000;

/// Not a test by itself: what the process does that [`a_process_that_is_killed_leaves_no_half_of_a_file`] kills.
#[tokio::test]
async fn killed_writer() {
    let Ok(folder) = std::env::var(KILLED) else { return };
    let root = Path::from_absolute_path(folder).expect("a path");
    for number in 0u64.. {
        let (staged, target) = (object(&root, &format!("_staged/{number}")), object(&root, &number.to_string()));
        let mut writer = BufWriter::with_capacity(std::sync::Arc::new(LocalFiles), staged.clone(), 1000);
        for _ in 0..10 {
            writer.put(vec![b'x'; KILLED_BYTES / 10].into()).await.expect("written");
        }
        writer.shutdown().await.expect("finished");
        LocalFiles.copy(&staged, &target).await.expect("copied");
        LocalFiles.put(&object(&root, "replaced"), vec![b'y'; KILLED_BYTES].into()).await.expect("replaced");
        LocalFiles.delete(&staged).await.expect("deleted");
    }
}

#[test]
fn a_process_that_is_killed_leaves_no_half_of_a_file() {
    let (folder, root) = folder();
    for life in 1..=20 {
        let before = names(&folder).len();
        let mut writer = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "local::tests::killed_writer", "--test-threads=1"])
            .env(KILLED, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        // The files of earlier lives are written again, so a life is at another step whenever this is seen.
        let done = || std::fs::metadata(folder.path().join("_staged")).and_then(|folder| folder.modified());
        let (mut seen, mut changes) = (done().ok(), 0);
        while changes < life {
            assert!(std::time::Instant::now() < deadline && writer.try_wait().expect("alive").is_none(), "{before}");
            let now = done().ok();
            changes += u32::from(now != seen);
            seen = now;
        }
        writer.kill().expect("killed");
        writer.wait().expect("gone");
        for name in names(&folder).iter().filter(|name| !name.starts_with(['.', '_'])) {
            let content = std::fs::read(folder.path().join(name)).expect("readable");
            let expected = if name == "replaced" { b'y' } else { b'x' };
            assert!(content.len() == KILLED_BYTES && content.iter().all(|byte| *byte == expected), "{name}");
        }
    }
    let shown = futures::executor::block_on(listed(&root));
    assert!(shown.iter().all(|name| !name.starts_with('.')), "{shown:?}");
}
