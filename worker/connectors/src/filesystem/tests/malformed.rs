//! Files and records that are not as they should be.

use super::*;

#[tokio::test]
async fn malformed_records_are_named_or_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.json");
    std::fs::write(&path, "{\"n\":1}\n\n{\"n\":\"x\"}\n{\"n\":2}\nno JSON").unwrap();
    let spec = source_of_all(table(&path, "json", &[]));
    let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    let failure = failure_of(source.as_mut()).await;
    assert_eq!(failure.class, ErrorClass::Data);
    assert_eq!(failure.message, format!("{}, line 3 (byte 9): field 'n': 'x' is not a BIGINT", path.display()));
    let spec = source_of_all(table(&path, "json", &[("json.ignore-parse-errors", "true")]));
    let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    let mut rows = Vec::new();
    assert!(read(source.as_mut(), usize::MAX, &mut rows).await);
    // The record of which a field is lost is counted like the one that is lost.
    assert_eq!(rows, ["1|null", "null|null", "2|null"]);
    assert_eq!(source.skipped_rows(), 2);
    assert!(source.take_rejected().is_empty());

    let mut source =
        crate::testing::open(&source_of_all(table(&path, "json", &[])), context(0, 1), &environment()).await;
    let source = source.as_mut().unwrap();
    source.keep_rejected();
    let mut rows = Vec::new();
    assert!(read(source.as_mut(), usize::MAX, &mut rows).await);
    assert_eq!((rows.len(), source.skipped_rows()), (2, 2));
    let rejected = |place: &str, message: &str, record: &str| dataflow::Rejected {
        place: format!("{}, {place}", path.display()),
        message: message.to_owned(),
        record: record.as_bytes().to_vec(),
    };
    let expected = [
        rejected("line 3 (byte 9)", "field 'n': 'x' is not a BIGINT", "{\"n\":\"x\"}"),
        rejected("line 5 (byte 27)", "expected '{' at byte 0 but found 'n'", "no JSON"),
    ];
    assert_eq!(source.take_rejected(), expected);
}

/// What reading a file comes to: the failure, with the file's name taken out.
async fn problem(format: &str, name: &str, content: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    let spec = source_of_all(table(&path, format, &[]));
    let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    let failure = failure_of(source.as_mut()).await;
    assert_eq!(failure.class, ErrorClass::Data, "{failure}");
    failure.message.strip_prefix(&*path.to_string_lossy()).unwrap_or_else(|| panic!("no file in: {failure}")).to_owned()
}

#[tokio::test]
async fn many_malformed_records_are_given_a_few_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.json");
    std::fs::write(&path, "x\n".repeat(100_000) + "{\"n\":1}\n").unwrap();
    let spec = source_of_all(table(&path, "json", &[]));
    let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    source.keep_rejected();
    let (mut kept, mut rows) = (0, 0);
    loop {
        match source.poll().await.unwrap() {
            SourceEvent::Batch { batch, .. } => rows += batch.rows(),
            SourceEvent::SplitFinished(_) => {}
            SourceEvent::End => break,
        }
        let rejected = source.take_rejected();
        assert!(rejected.len() <= 1000, "{}", rejected.len());
        kept += rejected.len();
    }
    assert_eq!((kept, rows), (100_000, 1));
}

#[tokio::test]
async fn damaged_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let parquet = table(directory.path(), "parquet", &[]);
    write(&parquet, 1, 5000).await;
    let whole = std::fs::read(directory.path().join(&visible(directory.path())[0])).unwrap();
    let cut = problem("parquet", "rows.parquet", &whole[..whole.len() / 2]).await;
    assert_eq!(cut, ": is not a parquet file");
    assert_eq!(problem("parquet", "rows.parquet", b"PAR1").await, ": is not a parquet file");
    let longer = [&whole[whole.len() - 100..whole.len() - 8], &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    assert_eq!(problem("parquet", "rows.parquet", &longer).await, ": is not a whole parquet file");
    let mut scratched = whole.clone();
    scratched[4..2000].fill(0xFF);
    let message = problem("parquet", "rows.parquet", &scratched).await;
    assert!(message.starts_with(": parquet: "), "{message}");
    assert_eq!(
        problem("json", "rows.json", b"{\"s\":\"\xFF\"}\n").await,
        ", line 1 (byte 0): field 's': text is not UTF-8"
    );
    let long = [b"{\"n\":1}\n{\"s\":\"".as_slice(), &vec![b'x'; 65 << 20], b"\"}\n"].concat();
    assert_eq!(problem("json", "rows.json", &long).await, ", line 2 (byte 8): a record is longer than 67108864 bytes");
}

#[tokio::test]
async fn marks_and_ends_of_lines_of_other_systems_are_no_part_of_records() {
    let directory = tempfile::tempdir().unwrap();
    for (format, text) in
        [("json", "{\"n\":1,\"s\":\"a\"}\r\n\r\n{\"n\":2,\"s\":\"b\"}\r\n"), ("csv", "1,a\r\n\r\n2,b\r\n")]
    {
        let path = directory.path().join(format!("rows.{format}"));
        std::fs::write(&path, format!("\u{FEFF}{text}")).unwrap();
        let spec = source_of_all(table(&path, format, &[]));
        assert_eq!(rows(&spec, 1).await, ["1|a", "2|b"], "{format}");
        assert_eq!(read_with_restores(&spec, &environment(), &[(2, 1)], 2).await, ["1|a", "2|b"], "{format}");
        std::fs::write(&path, "").unwrap();
        assert!(rows(&spec, 2).await.is_empty(), "an empty file has no rows");
        std::fs::write(&path, "\u{FEFF}").unwrap();
        assert!(rows(&spec, 1).await.is_empty());
    }
}
