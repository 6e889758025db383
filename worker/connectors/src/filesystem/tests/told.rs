//! What the source tells of its files.

use graph::MetadataColumn;

use super::*;

/// A table with a column for each key.
fn told(path: &Path) -> TableSpec {
    let column = |name: &str, (key, data_type): &(&str, DataType)| MetadataColumn {
        name: name.to_owned(),
        key: (*key).to_owned(),
        data_type: data_type.clone(),
        is_virtual: true,
    };
    let metadata = ["path", "name", "size", "time"].iter().zip(metadata::KEYS);
    TableSpec { metadata: metadata.map(|(name, key)| column(name, key)).collect(), ..table(path, "json", &[]) }
}

#[tokio::test]
async fn files_tell_of_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("a.json"), "{\"n\":1}\n").unwrap();
    std::fs::write(path("b.json"), "{\"n\":2}\n{\"n\":3}\n").unwrap();
    let modified = std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    for name in ["a.json", "b.json"] {
        std::fs::File::options().write(true).open(path(name)).unwrap().set_modified(modified).unwrap();
    }
    let columns = [
        ("n", DataType::BigInt),
        ("name", DataType::String),
        ("size", DataType::BigInt),
        ("time", DataType::TimestampLtz(3)),
    ];
    let mut spec = source_of(told(directory.path()), &columns);
    let time = "2023-11-14T22:13:20.123Z";
    let expected = [format!("1|a.json|8|{time}"), format!("2|b.json|16|{time}"), format!("3|b.json|16|{time}")];
    assert_eq!(rows(&spec, 2).await, expected);
    assert_eq!(read_with_restores(&spec, &environment(), &[(1, 0), (2, 1)], 3).await, expected);
    let only = source_of(told(directory.path()), &[("path", DataType::String)]);
    let of = |name: &str| path(name).to_str().unwrap().to_owned();
    assert_eq!(rows(&only, 1).await, [of("a.json"), of("b.json"), of("b.json")]);

    // A condition on them alone keeps a file from being opened.
    std::fs::write(path("a.json"), "no JSON\n").unwrap();
    std::fs::File::options().write(true).open(path("b.json")).unwrap().set_modified(modified).unwrap();
    let large = Expr::Literal { value: Value::Integer(10), data_type: DataType::BigInt };
    spec.filters = vec![Expr::call(">", vec![Expr::Column(2), large], DataType::Boolean)];
    assert_eq!(rows(&spec, 1).await, expected[1..]);
}

#[tokio::test]
async fn a_query_that_is_restored_may_want_more_of_files_than_before() {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..3 {
        std::fs::write(directory.path().join(format!("{n}.json")), format!("{{\"n\":{n}}}\n")).unwrap();
    }
    let plain = source_of(told(directory.path()), &[("n", DataType::BigInt)]);
    let mut first = crate::testing::open(&plain, context(0, 1), &environment()).await.unwrap();
    let mut out = Vec::new();
    read(first.as_mut(), 1, &mut out).await;
    let lists = snapshot(std::slice::from_mut(&mut first));
    assert!(!String::from_utf8_lossy(&lists["file-splits"][0].0).contains("facts"), "not wanted, so not kept");
    let more = source_of(told(directory.path()), &[("n", DataType::BigInt), ("size", DataType::BigInt)]);
    let mut second = crate::testing::open(&more, crate::testing::restored(0, 1, &lists), &environment()).await.unwrap();
    assert!(read(second.as_mut(), usize::MAX, &mut out).await);
    assert_eq!(out, ["0", "1|8", "2|8"]);
}
