use std::io::Write as _;

use super::*;

/// Compresses lines of a table, in two members or frames one after the other.
fn compressed(format: &str, rows: std::ops::Range<u64>) -> Vec<u8> {
    let half = (rows.start + rows.end) / 2;
    let mut file = Vec::new();
    for part in [rows.start..half, half..rows.end] {
        let lines: String = part.map(|n| format!("{{\"n\":{n},\"s\":null}}\n")).collect();
        if format == "gz" {
            let mut encoder = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
            encoder.write_all(lines.as_bytes()).unwrap();
            encoder.finish().unwrap();
        } else {
            file.extend(zstd::stream::encode_all(lines.as_bytes(), 1).unwrap());
        }
    }
    file
}

#[tokio::test]
async fn compressed_files_are_read_and_resumed() {
    for (suffix, name) in [("gz", "gzip"), ("zst", "zstd")] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(format!("rows.json.{suffix}"));
        std::fs::write(&path, compressed(suffix, 0..50_000)).unwrap();
        let spec = source_of(table(&path, "json", &[]), &[("n", DataType::BigInt)]);
        let mut expected: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
        expected.sort();
        assert_eq!(rows(&spec, 2).await, expected, "{name}");
        assert_eq!(read_with_restores(&spec, &environment(), &[(2, 20_000), (3, 8000)], 2).await, expected, "{name}");

        let bytes = std::fs::read(&path).unwrap();
        for damaged in [bytes[..bytes.len() / 3].to_vec(), b"plain text".to_vec()] {
            std::fs::write(&path, damaged).unwrap();
            let mut source = crate::build_source(&spec, &mut context(0, 1), &environment()).unwrap();
            let failure = failure_of(source.as_mut()).await;
            assert_eq!(failure.class, ErrorClass::Data);
            assert!(failure.message.contains(&format!("rows.json.{suffix}: {name}: ")), "{failure}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rows.json.bz2"), "x").unwrap();
    let mut source =
        crate::build_source(&source_of_all(table(directory.path(), "json", &[])), &mut context(0, 1), &environment())
            .unwrap();
    let failure = failure_of(source.as_mut()).await;
    assert!(failure.message.ends_with("rows.json.bz2: only gzip and zstd compression are supported"), "{failure}");
}
