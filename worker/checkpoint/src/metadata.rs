//! The `_metadata` file: one header line with version, CRC-32 and length, then the manifest as JSON.

use model::Failure;

use crate::{Manifest, manifest::VERSION};

const MAGIC: &str = "sluice-metadata";

/// The bytes of the file.
///
/// # Errors
/// Class `Internal` if the manifest cannot be written as JSON.
pub fn encode(manifest: &Manifest) -> Result<Vec<u8>, Failure> {
    let body = serde_json::to_vec(manifest).map_err(|error| Failure::internal(format!("manifest: {error}")))?;
    let mut file = format!("{MAGIC} {} {:08x} {}\n", manifest.version, crc32fast::hash(&body), body.len()).into_bytes();
    file.extend_from_slice(&body);
    Ok(file)
}

/// Reads the file; `uri` is only for messages.
///
/// # Errors
/// Class `Data`, naming the file and what is wrong with it: no metadata file, newer version, cut off, damaged.
pub fn decode(uri: &str, file: &[u8]) -> Result<Manifest, Failure> {
    let broken = |what: String| Failure::data(format!("{uri}: {what}"));
    let not_ours = || broken("is not the metadata of a snapshot".to_owned());
    let line_end = file.iter().take(128).position(|&byte| byte == b'\n').ok_or_else(not_ours)?;
    let header = std::str::from_utf8(&file[..line_end]).map_err(|_| not_ours())?;
    let mut words = header.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(not_ours());
    }
    let version: u32 = words.next().and_then(|word| word.parse().ok()).ok_or_else(not_ours)?;
    if version > VERSION {
        return Err(broken(format!("version {version} is newer than this build's {VERSION}")));
    }
    let crc = words.next().and_then(|word| u32::from_str_radix(word, 16).ok()).ok_or_else(not_ours)?;
    let length: usize = words.next().and_then(|word| word.parse().ok()).ok_or_else(not_ours)?;
    let body = &file[line_end + 1..];
    if body.len() != length {
        return Err(broken(format!("has {} bytes of manifest instead of {length}", body.len())));
    }
    if crc32fast::hash(body) != crc {
        return Err(broken("is damaged: its checksum does not match".to_owned()));
    }
    let manifest: Manifest = serde_json::from_slice(body).map_err(|error| broken(format!("manifest: {error}")))?;
    if manifest.version > VERSION {
        return Err(broken(format!("manifest version {} is newer than this build's {VERSION}", manifest.version)));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, SnapshotKind, SubtaskState};
    use model::ErrorClass;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        let state = SubtaskState {
            subtask: 1,
            keyed: None,
            lists: [("splits".to_owned(), vec![Item(vec![0, 255, 10])])].into(),
        };
        Manifest {
            version: VERSION,
            job_id: "00ff".to_owned(),
            job_name: "orders".to_owned(),
            checkpoint_id: 7,
            epoch: 2,
            kind: SnapshotKind::Checkpoint,
            triggered_ms: 1_700_000_000_000,
            max_parallelism: 128,
            parallelism: 4,
            rescaled: None,
            identities: None,
            operators: [("source".to_owned(), vec![state])].into(),
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let file = encode(&manifest()).expect("encodes");
        assert_eq!(decode("s3://b/_metadata", &file), Ok(manifest()));
    }

    #[test]
    fn every_kind_of_damage_is_a_data_error_that_names_the_file() {
        let good = encode(&manifest()).expect("encodes");
        let text = String::from_utf8(good.clone()).expect("text");
        let flipped = text.replace("orders", "0rders").into_bytes();
        let newer = text.replacen("sluice-metadata 1", "sluice-metadata 9", 1).into_bytes();
        let cases = [
            ("empty", Vec::new(), "is not the metadata"),
            ("foreign", b"hello\n{}".to_vec(), "is not the metadata"),
            ("cut off", good[..good.len() - 3].to_vec(), "instead of"),
            ("flipped", flipped, "checksum"),
            ("newer", newer, "version 9 is newer"),
        ];
        for (name, file, expected) in cases {
            let failure = decode("s3://b/chk-1/_metadata", &file).expect_err(name);
            assert_eq!(failure.class, ErrorClass::Data, "{name}");
            assert!(failure.message.starts_with("s3://b/chk-1/_metadata: "), "{name}: {failure}");
            assert!(failure.message.contains(expected), "{name}: {failure}");
        }
    }

    #[test]
    fn version_1_stays_readable() {
        // A file as the first release writes it: this test must never need an edit.
        let body = concat!(
            r#"{"version":1,"job_id":"j","job_name":"n","checkpoint_id":3,"epoch":1,"kind":"savepoint","#,
            r#""triggered_ms":5,"max_parallelism":128,"parallelism":1,"operators":{"agg":[{"subtask":0,"keyed":"#,
            r#"{"first_key_group":0,"last_key_group":127,"format":"snapshot-v1","files":[{"name":"a","uri":"#,
            r#""s3://b/a","size":9,"crc32":1}]},"lists":{"x":["00ff"]}}]}}"#
        );
        let file = format!("sluice-metadata 1 {:08x} {}\n{body}", crc32fast::hash(body.as_bytes()), body.len());
        let manifest = decode("f", file.as_bytes()).expect("readable");
        assert_eq!(manifest.operators["agg"][0].lists["x"], [Item(vec![0, 255])]);
    }
    fn file_of(body: &[u8]) -> Vec<u8> {
        let mut file = format!("{MAGIC} {VERSION} {:08x} {}\n", crc32fast::hash(body), body.len()).into_bytes();
        file.extend_from_slice(body);
        file
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_bytes_are_taken_for_a_manifest_by_mistake(
            at in any::<proptest::sample::Index>(), to in any::<u8>(), cut in any::<bool>(), with_checksum in any::<bool>(),
        ) {
            let good = encode(&manifest()).expect("encodes");
            let body = good.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
            let mut bytes = if with_checksum { good[body..].to_vec() } else { good };
            let at = at.index(bytes.len());
            bytes[at] = to;
            if cut {
                bytes.truncate(at);
            }
            let file = if with_checksum { file_of(&bytes) } else { bytes };
            match decode("f", &file) {
                Ok(read) => prop_assert_eq!(decode("f", &encode(&read).expect("encodes")), Ok(read)),
                Err(failure) => prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure),
            }
        }
    }
}
