use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, memory::InMemory, path::Path,
};

use super::*;
use crate::location::StoreId;

/// All stores that need no server.
fn roots(test: &str) -> (Storage, tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("utf-8").to_owned();
    let roots = vec![format!("memory://{test}/a"), format!("file://{path}/uri/deep"), format!("{path}/plain")];
    (Storage::new(StorageOptions::default()), folder, roots)
}

#[tokio::test]
async fn objects_come_back_as_they_were_stored() {
    let (storage, _folder, roots) = roots("roundtrip");
    for root in roots {
        let uri = format!("{root}/x/one");
        assert_eq!(storage.get_optional(&uri).await.expect("readable"), None);
        assert_eq!(storage.list(&root).await.expect("readable"), []);
        storage.put(&uri, Bytes::from_static(b"first")).await.expect("stored");
        storage.put(&uri, Bytes::from_static(b"second")).await.expect("replaced");
        assert_eq!(storage.get(&uri).await.expect("readable"), "second");
        assert_eq!(storage.get_range(&uri, 2..4).await.expect("readable"), "co");
        storage.copy(&uri, &format!("{root}/two")).await.expect("copied");
        let listed = storage.list(&root).await.expect("readable");
        let found: Vec<_> = listed.iter().map(|object| (object.uri.as_str(), object.size)).collect();
        assert_eq!(found, [(format!("{root}/two").as_str(), 6), (uri.as_str(), 6)]);
        assert!(storage.exists(&uri).await.expect("readable"));
        storage.delete(&uri).await.expect("deleted");
        storage.delete(&uri).await.expect("deleted already");
        assert!(!storage.exists(&uri).await.expect("readable"));
        let missing = storage.get(&uri).await.expect_err("gone");
        assert_eq!(missing.class, model::ErrorClass::Data);
        assert!(missing.message.contains(&uri), "{missing}");
    }
}

#[tokio::test]
async fn one_of_many_creates_an_object() {
    let (storage, _folder, roots) = roots("create");
    for root in roots {
        let uri = format!("{root}/pointer");
        let attempts = (0..16u8).map(|index| storage.put_if_absent(&uri, Bytes::from(vec![index])));
        let created = futures::future::join_all(attempts).await;
        let winners: Vec<_> =
            created.into_iter().enumerate().filter(|(_, created)| *created.as_ref().expect("an answer")).collect();
        assert_eq!(winners.len(), 1, "{root}");
        assert_eq!(storage.get(&uri).await.expect("readable"), vec![winners[0].0 as u8]);
    }
}

#[tokio::test]
async fn large_objects_are_written_in_parts_and_only_appear_whole() {
    let (storage, _folder, roots) = roots("parts");
    let piece = Bytes::from((0..3 * PART_BYTES / 2).map(|index| index as u8).collect::<Vec<_>>());
    for root in roots {
        let uri = format!("{root}/large");
        let mut writer = storage.writer(&uri).await.expect("started");
        writer.write(piece.clone()).await.expect("written");
        writer.write(piece.clone()).await.expect("written");
        assert!(!storage.exists(&uri).await.expect("readable"), "not before it is finished");
        assert_eq!(writer.finish().await.expect("finished"), 2 * piece.len() as u64);
        let mut reader = storage.reader(&uri).await.expect("readable");
        assert_eq!(reader.size(), 2 * piece.len() as u64);
        let mut content = Vec::new();
        while let Some(part) = reader.next().await.expect("readable") {
            content.extend_from_slice(&part);
        }
        assert!(content == [piece.clone(), piece.clone()].concat(), "{root}");

        let mut given_up = storage.writer(&format!("{root}/other")).await.expect("started");
        given_up.write(piece.clone()).await.expect("written");
        given_up.write(piece.clone()).await.expect("written");
        given_up.abort().await.expect("aborted");
        assert_eq!(storage.list(&root).await.expect("readable").len(), 1);
    }
}

/// A store whose first conditional puts lose their answer, some after they took effect.
#[derive(Debug)]
struct Lossy {
    inner: InMemory,
    puts: AtomicUsize,
    /// What the first puts do: whether they take effect before the answer is lost.
    effects: Vec<bool>,
    /// Whether conditions are ignored.
    careless: bool,
}

impl std::fmt::Display for Lossy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lossy")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Lossy {
    async fn put_opts(&self, path: &Path, content: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        match self.effects.get(self.puts.fetch_add(1, Ordering::SeqCst)) {
            None if self.careless => self.inner.put_opts(path, content, PutOptions::default()).await,
            None => self.inner.put_opts(path, content, options).await,
            Some(effect) => {
                if *effect {
                    self.inner.put_opts(path, content, options).await?;
                }
                Err(Error::Generic { store: "lossy", source: "connection reset".into() })
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn lossy(effects: Vec<bool>, careless: bool) -> Storage {
    let storage = Storage::new(StorageOptions::default());
    let store: Arc<dyn ObjectStore> =
        Arc::new(Lossy { inner: InMemory::new(), puts: AtomicUsize::new(0), effects, careless });
    storage.stores.insert(StoreId::Memory { name: "lossy".into() }, Store { client: Arc::clone(&store), once: store });
    storage
}

#[tokio::test]
async fn a_lost_answer_is_resolved_by_reading_back() {
    let uri = "memory://lossy/pointer";
    let mine = || Bytes::from_static(b"mine");
    for effects in [vec![true], vec![false], vec![false, true]] {
        let storage = lossy(effects.clone(), false);
        assert_eq!(storage.put_if_absent(uri, mine()).await, Ok(true), "{effects:?}");
        assert_eq!(storage.get(uri).await.expect("readable"), mine());
        assert_eq!(storage.put_if_absent(uri, mine()).await, Ok(false), "there before, though equal: {effects:?}");
    }

    let storage = lossy(vec![true, false], false);
    assert_eq!(storage.put_if_absent(uri, Bytes::from_static(b"theirs")).await, Ok(true));
    assert_eq!(storage.put_if_absent(uri, mine()).await, Ok(false), "another owner's object is not ours");
}

#[tokio::test]
async fn what_cannot_be_reached_or_written_names_the_uri() {
    let (storage, folder, _) = roots("errors");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("written");
    let uri = format!("{}/below", file.display());
    let failure = storage.put(&uri, Bytes::from_static(b"x")).await.expect_err("the parent is a file");
    assert!(failure.message.contains(&uri), "{failure}");
    assert!(storage.put("gs://bucket/x", Bytes::new()).await.is_err());

    let options = StorageOptions {
        s3_endpoint: Some("http://127.0.0.1:1".into()),
        s3_region: "us-east-1".into(),
        s3_access_key: Some("key".into()),
        s3_secret_key: Some("hidden".into()),
        s3_path_style: true,
    };
    let failure = Storage::new(options).get("s3://bucket/x").await.expect_err("nobody listens");
    assert_eq!(failure.class, model::ErrorClass::External);
    assert!(failure.message.contains("s3://bucket/x") && failure.message.contains("127.0.0.1:1"), "{failure}");
    assert!(!failure.message.contains("hidden"), "{failure}");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out() {
    let (storage, _folder, roots) = roots("conditions");
    for root in roots {
        assert_eq!(storage.check_conditional_put(&root).await, Ok(()));
        assert_eq!(storage.list(&root).await.expect("readable"), []);
    }
    let failure = lossy(Vec::new(), true).check_conditional_put("memory://lossy/job").await.expect_err("careless");
    assert_eq!(failure.class, model::ErrorClass::User);
}

#[tokio::test]
async fn a_file_on_the_same_disk_becomes_an_object_without_a_copy() {
    let (storage, folder, roots) = roots("link");
    let file = folder.path().join("file");
    std::fs::write(&file, "content").expect("written");
    for root in roots {
        let uri = format!("{root}/new/linked");
        assert_eq!(storage.link(&file, &uri).await.expect("an answer"), !root.starts_with("memory"), "{root}");
        if !root.starts_with("memory") {
            assert_eq!(storage.get(&uri).await.expect("readable"), "content");
            assert!(!storage.link(&file, &uri).await.expect("an answer"), "there is one already");
        }
    }
    assert!(
        !storage.link(&folder.path().join("none"), &format!("{}/x", folder.path().display())).await.expect("an answer")
    );
}
