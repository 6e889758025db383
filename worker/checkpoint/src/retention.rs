//! Which files may be deleted. The pointer is always advanced first; what it no longer refers to is deleted after.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{Manifest, SnapshotKind, SnapshotRef, layout};

/// An object in storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its URI.
    pub uri: String,
    /// When it was written, by the store's clock.
    pub modified_ms: i64,
}

/// The URIs of all files that manifests refer to.
pub fn referenced<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<&'a str> {
    manifests
        .into_iter()
        .flat_map(|manifest| manifest.operators.values().flatten())
        .flat_map(|state| state.keyed.iter().flat_map(|keyed| &keyed.files))
        .map(|file| file.uri.as_str())
        .collect()
}

/// What to delete when the pointer has dropped `dropped`: in this order, metadata first, so that nothing half-deleted
/// looks like a snapshot. `manifests` are the manifests by snapshot folder; `kept` is what the pointer refers to now. If
/// the manifest of a kept snapshot is missing nothing is deleted. Files outside the job's folder and savepoints never are.
pub fn deletable(
    job_root: &str,
    dropped: &[SnapshotRef],
    kept: &[SnapshotRef],
    manifests: &BTreeMap<String, Arc<Manifest>>,
) -> Vec<String> {
    let Some(kept_manifests) =
        kept.iter().map(|snapshot| manifests.get(&snapshot.uri).map(Arc::as_ref)).collect::<Option<Vec<_>>>()
    else {
        return Vec::new();
    };
    let keep = referenced(kept_manifests);
    let inside = format!("{job_root}/");
    let gone = dropped.iter().filter(|snapshot| {
        snapshot.kind == SnapshotKind::Checkpoint
            && snapshot.uri.starts_with(&inside)
            && kept.iter().all(|other| other.uri != snapshot.uri)
    });
    let mut metadata = Vec::new();
    let mut files = BTreeSet::new();
    for snapshot in gone {
        metadata.push(layout::metadata_file(&snapshot.uri));
        files.extend(manifests.get(&snapshot.uri).into_iter().flat_map(|manifest| referenced([manifest.as_ref()])));
    }
    let files = files.into_iter().filter(|uri| uri.starts_with(&inside) && !keep.contains(uri)).map(str::to_owned);
    metadata.into_iter().chain(files).collect()
}

/// What a new owner may sweep: objects of checkpoints in the job's folder, written before its claim (`before_ms`, the
/// store's time of its first record) and neither referred to by a kept manifest nor the metadata of a kept snapshot.
/// Anything younger may belong to a successor.
pub fn sweepable(
    job_root: &str,
    objects: &[Object],
    kept: &[SnapshotRef],
    manifests: &BTreeMap<String, Arc<Manifest>>,
    before_ms: i64,
) -> Vec<String> {
    let Some(kept_manifests) =
        kept.iter().map(|snapshot| manifests.get(&snapshot.uri).map(Arc::as_ref)).collect::<Option<Vec<_>>>()
    else {
        return Vec::new();
    };
    let keep = referenced(kept_manifests);
    let metadata: BTreeSet<String> = kept.iter().map(|snapshot| layout::metadata_file(&snapshot.uri)).collect();
    let places = [format!("{job_root}/chk-"), format!("{}/", layout::shared_directory(job_root))];
    objects
        .iter()
        .filter(|object| object.modified_ms < before_ms && places.iter().any(|place| object.uri.starts_with(place)))
        .filter(|object| !keep.contains(object.uri.as_str()) && !metadata.contains(&object.uri))
        .map(|object| object.uri.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{KeyedState, StateFile, StateFormat, SubtaskState};

    const ROOT: &str = "memory://b/job";

    fn manifest(id: u64, kind: SnapshotKind, files: &[String]) -> Arc<Manifest> {
        let file = |uri: &String| StateFile { name: "f".to_owned(), uri: uri.clone(), size: 1, crc32: 0 };
        let keyed = KeyedState {
            first_key_group: 0,
            last_key_group: 127,
            format: StateFormat::RocksdbV1,
            files: files.iter().map(file).collect(),
        };
        let state = SubtaskState { subtask: 0, keyed: Some(keyed), lists: BTreeMap::new() };
        Arc::new(Manifest {
            version: 1,
            job_id: "job".to_owned(),
            job_name: "job".to_owned(),
            checkpoint_id: id,
            epoch: 1,
            kind,
            triggered_ms: 0,
            max_parallelism: 128,
            parallelism: 1,
            rescaled: None,
            identities: None,
            operators: [("agg".to_owned(), vec![state])].into(),
        })
    }

    fn snapshot(id: u64, kind: SnapshotKind) -> SnapshotRef {
        let uri = match kind {
            SnapshotKind::Checkpoint => layout::checkpoint_directory(ROOT, id, 1),
            SnapshotKind::Savepoint => format!("memory://b/savepoints/{id}"),
        };
        SnapshotRef { id, uri, kind }
    }

    #[test]
    fn shared_files_live_as_long_as_one_reference() {
        let [old, new] = [1, 2].map(|id| snapshot(id, SnapshotKind::Checkpoint));
        let shared = |name: &str| format!("{ROOT}/shared/{name}");
        let manifests = BTreeMap::from([
            (old.uri.clone(), manifest(1, SnapshotKind::Checkpoint, &[shared("a"), shared("b")])),
            (new.uri.clone(), manifest(2, SnapshotKind::Checkpoint, &[shared("b"), shared("c")])),
        ]);
        let deleted = deletable(ROOT, std::slice::from_ref(&old), std::slice::from_ref(&new), &manifests);
        assert_eq!(deleted, [format!("{}/_metadata", old.uri), shared("a")]);
        let unread = BTreeMap::from([(old.uri.clone(), manifests[&old.uri].clone())]);
        assert_eq!(deletable(ROOT, &[old], &[new], &unread), Vec::<String>::new(), "a kept manifest was not read");
    }

    #[test]
    fn a_sweep_spares_what_is_younger_than_the_claim() {
        let kept = snapshot(3, SnapshotKind::Checkpoint);
        let used = format!("{ROOT}/shared/used");
        let manifests =
            BTreeMap::from([(kept.uri.clone(), manifest(3, SnapshotKind::Checkpoint, std::slice::from_ref(&used)))]);
        let object = |uri: String, modified_ms| Object { uri, modified_ms };
        let objects = [
            object(used, 1),
            object(format!("{}/_metadata", kept.uri), 1),
            object(format!("{ROOT}/shared/orphan"), 1),
            object(format!("{ROOT}/shared/of-a-successor"), 10),
            object(format!("{ROOT}/chk-2-1/part"), 9),
            object(format!("{ROOT}/pointer/00000000000000000001.json"), 1),
        ];
        let swept = sweepable(ROOT, &objects, &[kept], &manifests, 10);
        assert_eq!(swept, [format!("{ROOT}/shared/orphan"), format!("{ROOT}/chk-2-1/part")]);
    }

    proptest! {
        #[test]
        fn no_referenced_file_is_deleted(
            snapshots in proptest::collection::vec((any::<bool>(), proptest::collection::vec(0u8..12, 0..6)), 1..8),
            split in 0usize..8,
        ) {
            let mut manifests = BTreeMap::new();
            let mut refs = Vec::new();
            for (id, (savepoint, files)) in snapshots.iter().enumerate() {
                let kind = if *savepoint { SnapshotKind::Savepoint } else { SnapshotKind::Checkpoint };
                let reference = snapshot(id as u64, kind);
                let files: Vec<String> = files.iter().map(|file| match kind {
                    SnapshotKind::Checkpoint => format!("{ROOT}/shared/{file}"),
                    SnapshotKind::Savepoint => format!("{}/{file}", reference.uri),
                }).collect();
                manifests.insert(reference.uri.clone(), manifest(id as u64, kind, &files));
                refs.push(reference);
            }
            let (dropped, kept) = refs.split_at(split.min(refs.len()));
            let deleted: BTreeSet<String> = deletable(ROOT, dropped, kept, &manifests).into_iter().collect();
            for snapshot in kept {
                prop_assert!(!deleted.contains(&layout::metadata_file(&snapshot.uri)));
                for file in referenced([manifests[&snapshot.uri].as_ref()]) {
                    prop_assert!(!deleted.contains(file), "{file} is in use");
                }
            }
            prop_assert!(deleted.iter().all(|uri| uri.starts_with(ROOT)));
            // Nothing is left behind either.
            for snapshot in dropped.iter().filter(|snapshot| snapshot.kind == SnapshotKind::Checkpoint) {
                prop_assert!(deleted.contains(&layout::metadata_file(&snapshot.uri)));
            }
        }
    }
}
