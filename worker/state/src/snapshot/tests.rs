//! Bytes that are not a state file are refused: nothing panics, and nothing is taken for an entry by mistake.

use model::ErrorClass;
use proptest::prelude::*;

use super::*;

const MAX_PARALLELISM: u32 = 4;

/// A file of two tables, and its CRC.
fn file() -> (Vec<u8>, u32) {
    let mut bytes = Vec::new();
    let header = Header {
        key_groups: 0..=3,
        max_parallelism: MAX_PARALLELISM,
        tables: vec!["sums".to_owned(), "timers".to_owned()],
    };
    let mut sink = |part: Bytes| {
        bytes.extend_from_slice(&part);
        Ok(())
    };
    let mut blocks = Blocks::new(header, &mut sink).unwrap();
    for number in 0..40u8 {
        let key = [1, number];
        blocks
            .add(u16::from(number % 2), key::hash(&key), -1, &key, |out| out.extend_from_slice(&[number; 3]))
            .unwrap();
    }
    blocks.finish().unwrap();
    let crc = crc32fast::hash(&bytes);
    (bytes, crc)
}

/// Reads all entries as a restore does.
fn read(file: &[u8], crc32: u32) -> Result<Vec<(u16, i64, Vec<u8>, Vec<u8>)>, Failure> {
    let short = || Failure::data("the file is too short");
    let at = file.len().checked_sub(TRAILER_BYTES).ok_or_else(short)?;
    let (rest, trailer) = file.split_at(at);
    let (header_length, footer_length) = decode_trailer(trailer)?;
    let header = rest.get(..header_length as usize).ok_or_else(short)?;
    let footer_at = rest.len().checked_sub(footer_length as usize).ok_or_else(short)?;
    let decoded = Header::decode(header)?;
    let blocks = decode_footer(header, &rest[footer_at..], trailer, file.len() as u64, crc32)?;
    let mut entries = Vec::new();
    for info in blocks {
        let start = usize::try_from(info.offset).map_err(|_| short())?;
        let block = file.get(start..start + info.length as usize).ok_or_else(short)?;
        let stored = Entries::of_block(&info, decoded.max_parallelism, &Bytes::copy_from_slice(block))?;
        for entry in stored.iter() {
            let entry = entry?;
            entries.push((info.table, entry.namespace, entry.key.to_vec(), entry.value.to_vec()));
        }
    }
    Ok(entries)
}

#[test]
fn a_file_is_read_back() {
    let (bytes, crc) = file();
    assert_eq!(read(&bytes, crc).unwrap().len(), 40);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// `right_crc`: as if the manifest had been made of the damaged file.
    #[test]
    fn a_damaged_file_is_an_error_and_no_panic(
        at in any::<proptest::sample::Index>(), to in any::<u8>(), cut in any::<bool>(), right_crc in any::<bool>(),
    ) {
        let (good, crc) = file();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if cut {
            bytes.truncate(at);
        }
        let crc = if right_crc { crc32fast::hash(&bytes) } else { crc };
        match read(&bytes, crc) {
            Ok(entries) => prop_assert_eq!(entries, read(&good, crc32fast::hash(&good)).unwrap(), "byte {} is {}", at, to),
            Err(failure) => prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure),
        }
    }

    #[test]
    fn headers_and_footers_of_any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), with_crc in any::<bool>()) {
        let mut bytes = bytes;
        if with_crc {
            let crc = crc32fast::hash(&bytes);
            bytes.extend_from_slice(&crc.to_be_bytes());
        }
        let refused = |failure: Failure| failure.class == ErrorClass::Data;
        prop_assert!(Header::decode(&bytes).err().is_none_or(refused));
        prop_assert!(decode_footer(b"", &bytes, b"", bytes.len() as u64, 0).err().is_none_or(refused));
        prop_assert!(decode_trailer(&bytes).err().is_none_or(refused));
    }
}
