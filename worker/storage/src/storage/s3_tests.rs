//! Against a real S3 server, if the environment names one (`S3_ENDPOINT` and so on, as the testbed sets them).

use model::ErrorClass;

use super::*;

struct Server {
    options: StorageOptions,
    bucket: String,
}

fn server() -> Option<Server> {
    let variable = |name: &str| std::env::var(name).ok();
    let options = StorageOptions {
        s3_endpoint: Some(variable("S3_ENDPOINT")?),
        s3_region: variable("S3_REGION")?,
        s3_access_key: variable("S3_ACCESS_KEY"),
        s3_secret_key: variable("S3_SECRET_KEY"),
        s3_path_style: true,
    };
    Some(Server { options, bucket: variable("S3_BUCKET")? })
}

#[tokio::test]
async fn s3_keeps_objects_and_lets_one_creator_win() {
    let Some(Server { options, bucket }) = server() else { return };
    let storage = Storage::new(options);
    let root = format!("s3://{bucket}/storage-test-{}", std::process::id());
    assert_eq!(storage.check_conditional_put(&root).await, Ok(()));
    let pointer = format!("{root}/deep/pointer");
    let attempts = (0..8u8).map(|index| storage.put_if_absent(&pointer, Bytes::from(vec![index])));
    let created = futures::future::join_all(attempts).await;
    let winners: Vec<_> = (0..8u8).filter(|index| created[usize::from(*index)] == Ok(true)).collect();
    assert_eq!(created.iter().filter(|created| created.is_err()).count(), 0, "{created:?}");
    assert_eq!(storage.get(&pointer).await.expect("readable"), winners, "one winner, whose content it is");

    let large = Bytes::from(vec![7; 5 * PART_BYTES / 2]);
    let uri = format!("{root}/large");
    storage.put(&uri, large.clone()).await.expect("stored in parts");
    assert!(storage.get(&uri).await.expect("readable") == large);
    assert_eq!(storage.get_range(&uri, 5..9).await.expect("readable").len(), 4);
    storage.copy(&uri, &format!("{root}/copy")).await.expect("copied");
    let listed = storage.list(&root).await.expect("listed");
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|object| object.uri.starts_with(&root) && object.modified_ms > 0));
    for object in listed {
        storage.delete(&object.uri).await.expect("deleted");
    }
    assert_eq!(storage.get_optional(&uri).await, Ok(None));
    storage.delete(&uri).await.expect("deleted already");
}

#[tokio::test]
async fn s3_mistakes_of_the_user_are_told_apart() {
    let Some(Server { options, bucket }) = server() else { return };
    let uri = format!("s3://{bucket}/some/object");
    let wrong_key = StorageOptions { s3_access_key: Some("nobody".into()), ..options.clone() };
    let wrong_secret = StorageOptions { s3_secret_key: Some("wrong".into()), ..options.clone() };
    for (options, uri, expected) in [
        (wrong_key, uri.as_str(), "access key"),
        (wrong_secret, uri.as_str(), "secret key"),
        (options, "s3://no-such-bucket-here/some/object", "bucket no-such-bucket-here does not exist"),
    ] {
        let storage = Storage::new(options);
        let failures = [
            storage.put(uri, Bytes::from_static(b"x")).await.expect_err("refused"),
            storage.put_if_absent(uri, Bytes::from_static(b"x")).await.expect_err("refused"),
            storage.get_optional(uri).await.expect_err("refused"),
            storage.list(uri).await.expect_err("refused"),
        ];
        for failure in failures {
            assert_eq!(failure.class, ErrorClass::User, "{failure}");
            assert!(failure.message.contains(expected) && failure.message.contains(uri), "{failure}");
        }
    }
}
