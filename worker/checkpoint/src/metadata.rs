//! The `_metadata` file: one header line with version, CRC-32 and length, then the manifest as JSON. Files are named
//! relative to the folder that it is in, so a folder that was moved or copied is the same snapshot.

use model::Failure;

use crate::{Manifest, SnapshotKind, layout, manifest::VERSION, paths};

const MAGIC: &str = "sluice-metadata";
/// The first version whose files are named relative to the folder.
const FIRST_RELATIVE: u32 = 2;

/// The bytes of the file in `directory`, in the present version.
///
/// # Errors
/// Class `Internal` if the manifest cannot be written as JSON, or names a file that could not be found again.
pub fn encode(directory: &str, manifest: &Manifest) -> Result<Vec<u8>, Failure> {
    let mut stored = Manifest { version: VERSION, ..manifest.clone() };
    for file in stored.files_mut() {
        file.uri = paths::relative(directory, &file.uri)?;
    }
    let body = serde_json::to_vec(&stored).map_err(|error| Failure::internal(format!("manifest: {error}")))?;
    let mut file = format!("{MAGIC} {VERSION} {:08x} {}\n", crc32fast::hash(&body), body.len()).into_bytes();
    file.extend_from_slice(&body);
    Ok(file)
}

/// Reads the file at `uri`. The manifest's files are named by whole URIs then, wherever it was written.
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
    let mut manifest: Manifest = serde_json::from_slice(body).map_err(|error| broken(format!("manifest: {error}")))?;
    if manifest.version != version {
        return Err(broken(format!("is of version {version}, but its manifest of version {}", manifest.version)));
    }
    resolve(&mut manifest, layout::snapshot_directory(uri)).map_err(|failure| broken(failure.message))?;
    Ok(manifest)
}

/// Names the files by their whole URIs, given the folder that the manifest was read from.
fn resolve(manifest: &mut Manifest, directory: &str) -> Result<(), Failure> {
    let is_absolute = manifest.version < FIRST_RELATIVE;
    let is_savepoint = manifest.kind == SnapshotKind::Savepoint;
    for file in manifest.files_mut() {
        match (is_absolute, is_savepoint) {
            (false, _) => file.uri = paths::resolve(directory, &file.uri)?,
            // The files of a savepoint were always in its folder, and so they are where that is now.
            (true, true) => file.uri = paths::moved_into(directory, &file.uri),
            (true, false) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, KeyedState, StateFile, StateFormat, SubtaskState};
    use model::ErrorClass;
    use proptest::prelude::*;

    const CHECKPOINT: &str = "s3://b/job/chk-7-2";

    fn manifest() -> Manifest {
        let file = |uri: String| StateFile { name: "f".to_owned(), uri, size: 1, crc32: 2 };
        let keyed = KeyedState {
            first_key_group: 0,
            last_key_group: 127,
            format: StateFormat::RocksdbV1,
            files: vec![file(format!("{CHECKPOINT}/own")), file("s3://b/job/shared/table.sst".to_owned())],
        };
        let state = SubtaskState {
            subtask: 1,
            keyed: Some(keyed),
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
        let file = encode(CHECKPOINT, &manifest()).expect("encodes");
        assert_eq!(decode(&format!("{CHECKPOINT}/_metadata"), &file), Ok(manifest()));
    }

    #[test]
    fn a_folder_that_was_moved_names_its_files_where_they_are_now() {
        let file = encode(CHECKPOINT, &manifest()).expect("encodes");
        assert!(!String::from_utf8_lossy(&file).contains("s3://"), "nothing of the old place is stored");
        let moved = decode("file:///backup/chk-7-2/_metadata", &file).expect("readable");
        let uris: Vec<_> = moved.files().map(|file| file.uri.as_str()).collect();
        assert_eq!(uris, ["file:///backup/chk-7-2/own", "file:///backup/shared/table.sst"]);
        // What was read is written anew for the place that it is then in.
        assert_eq!(encode("file:///backup/chk-7-2", &moved), Ok(file));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_damage() {
        let mut hostile = manifest();
        for file in hostile.files_mut() {
            file.uri = "../../../etc/passwd".to_owned();
        }
        let body = serde_json::to_string(&hostile).expect("writes");
        let file = format!("{MAGIC} 2 {:08x} {}\n{body}", crc32fast::hash(body.as_bytes()), body.len());
        let failure = decode(&format!("{CHECKPOINT}/_metadata"), file.as_bytes()).expect_err("refused");
        assert_eq!(failure.class, ErrorClass::Data);
        assert!(failure.message.contains("../../../etc/passwd"), "{failure}");
    }

    #[test]
    fn every_kind_of_damage_is_a_data_error_that_names_the_file() {
        let good = encode(CHECKPOINT, &manifest()).expect("encodes");
        let text = String::from_utf8(good.clone()).expect("text");
        let flipped = text.replace("orders", "0rders").into_bytes();
        let newer = text.replacen("sluice-metadata 2", "sluice-metadata 9", 1).into_bytes();
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
        let file = |kind: &str| {
            let body = concat!(
                r#"{"version":1,"job_id":"j","job_name":"n","checkpoint_id":3,"epoch":1,"kind":"KIND","#,
                r#""triggered_ms":5,"max_parallelism":128,"parallelism":1,"operators":{"agg":[{"subtask":0,"keyed":"#,
                r#"{"first_key_group":0,"last_key_group":127,"format":"snapshot-v1","files":[{"name":"a","uri":"#,
                r#""s3://b/a","size":9,"crc32":1}]},"lists":{"x":["00ff"]}}]}}"#
            );
            let body = body.replace("KIND", kind);
            format!("sluice-metadata 1 {:08x} {}\n{body}", crc32fast::hash(body.as_bytes()), body.len())
        };
        let uris = |kind: &str, place: &str| -> Vec<String> {
            let manifest = decode(place, file(kind).as_bytes()).expect("readable");
            assert_eq!(manifest.operators["agg"][0].lists["x"], [Item(vec![0, 255])]);
            manifest.files().map(|file| file.uri.clone()).collect()
        };
        assert_eq!(uris("savepoint", "s3://b/_metadata"), ["s3://b/a"]);
        assert_eq!(uris("savepoint", "file:///copy/_metadata"), ["file:///copy/a"], "it was moved");
        assert_eq!(uris("checkpoint", "file:///copy/_metadata"), ["s3://b/a"], "as it says, shared files included");
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
            let good = encode(CHECKPOINT, &manifest()).expect("encodes");
            let body = good.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
            let mut bytes = if with_checksum { good[body..].to_vec() } else { good };
            let at = at.index(bytes.len());
            bytes[at] = to;
            if cut {
                bytes.truncate(at);
            }
            let file = if with_checksum { file_of(&bytes) } else { bytes };
            let place = layout::metadata_file(CHECKPOINT);
            match decode(&place, &file) {
                Ok(read) => prop_assert_eq!(decode(&place, &encode(CHECKPOINT, &read).expect("encodes")), Ok(read)),
                Err(failure) => prop_assert_eq!(failure.class, ErrorClass::Data, "{}", failure),
            }
        }
    }
}
