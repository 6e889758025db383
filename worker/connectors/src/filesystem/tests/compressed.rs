use std::{
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
};

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
            let mut source = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
            let failure = failure_of(source.as_mut()).await;
            assert_eq!(failure.class, ErrorClass::Data);
            assert!(failure.message.contains(&format!("rows.json.{suffix}: {name}: ")), "{failure}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rows.json.bz2"), "x").unwrap();
    let spec = source_of_all(table(directory.path(), "json", &[]));
    let failure = crate::testing::open(&spec, context(0, 1), &environment()).await.err().unwrap();
    assert!(failure.message.ends_with("rows.json.bz2: only gzip and zstd compression are supported"), "{failure}");
}

/// Adds up how much it is given.
struct Weighing(Box<dyn formats::Decoder>, Arc<AtomicUsize>);

impl formats::Decoder for Weighing {
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, formats::Malformed> {
        self.1.fetch_add(data.len(), Ordering::Relaxed);
        self.0.decode(data, last, rows_max)
    }

    fn decoded(&self) -> &formats::Decoded {
        self.0.decoded()
    }

    fn decoded_mut(&mut self) -> &mut formats::Decoded {
        self.0.decoded_mut()
    }
}

#[tokio::test]
async fn a_long_record_is_tried_a_few_times_however_small_the_blocks_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.csv.zst");
    let mut text = "1,\"x\n".to_owned();
    text.push_str(&"2,y\n".repeat(4_000_000));
    std::fs::write(&path, zstd::stream::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    let table = table(&path, "csv", &[]);
    let (format, weight) = (Options::read(&table).unwrap().format, Arc::<AtomicUsize>::default());
    let wanted = [formats::Column::new("n", DataType::BigInt)];
    let decoder = format.decoder(&table.schema, &wanted).unwrap().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let file = split::File { uri: path.to_str().unwrap().to_owned(), size, modified_ms: 0 };
    let split = split::cut(&[file], false, false).remove(0);
    let environment = environment();
    let decoder = Box::new(Weighing(decoder, Arc::clone(&weight)));
    let mut reader = lines::LineReader::open(split, decoder, true, &environment.storage, &environment.runtime);
    let failure = reader.next(1000).await.unwrap_err();
    assert!(failure.message.ends_with("a quoted field does not end"), "{failure}");
    let times = weight.load(Ordering::Relaxed) as f64 / text.len() as f64;
    assert!(times < 4.0, "{times}");
}
