//! The stored forms of keyed state are as they were, byte by byte.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::key;

use crate::{
    disk::{Catalog, prefix, split_key},
    retention::{put_stamp, split_stamp, timed_name},
    snapshot::{self, Blocks, Entries, Header, TRAILER_BYTES},
};

#[path = "../../../tests/fixtures/stored.rs"]
mod fixtures;
use fixtures::Fixture;

type Entry = (String, i64, Vec<u8>, Vec<u8>);

/// Entries of two tables, with namespaces below and above zero.
fn entries() -> Vec<Entry> {
    let entry =
        |table: &str, namespace, key: &[u8], value: &[u8]| (table.to_owned(), namespace, key.to_vec(), value.to_vec());
    vec![
        entry("groups-v1", 0, b"\x01\x80\x00\x00\x05", b"\x02\x0a\x00"),
        entry("groups-v1", 0, b"", b""),
        entry("values-0-v1", 3, b"\x01\x80\x00\x00\x05", b"\x05\x01\x02\x01"),
        entry("values-0-v1", -1, b"\x00", b"\xff"),
    ]
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let tables = vec!["groups-v1".to_owned(), "values-0-v1".to_owned()];
    let header = Header { key_groups: 0..=7, max_parallelism: 8, tables: tables.clone() };
    let mut file = Vec::new();
    let mut sink = |bytes: Bytes| {
        file.extend_from_slice(&bytes);
        Ok(())
    };
    let mut blocks = Blocks::new(header, &mut sink).unwrap();
    for (table, namespace, key, value) in entries {
        let table = tables.iter().position(|known| known == table).unwrap() as u16;
        blocks.add(table, key::hash(key), *namespace, key, |out| out.extend_from_slice(value)).unwrap();
    }
    blocks.finish().unwrap();
    file
}

fn read(file: &[u8]) -> Vec<Entry> {
    let trailer = &file[file.len() - TRAILER_BYTES..];
    let (header_length, footer_length) = snapshot::decode_trailer(trailer).unwrap();
    let header = &file[..header_length as usize];
    let footer = &file[file.len() - TRAILER_BYTES - footer_length as usize..file.len() - TRAILER_BYTES];
    let (size, crc) = (file.len() as u64, crc32fast::hash(file));
    let blocks = snapshot::decode_footer(header, footer, trailer, size, crc).unwrap();
    let header = Header::decode(header).unwrap();
    assert_eq!((header.key_groups, header.max_parallelism), (0..=7, 8));
    let mut entries = Vec::new();
    for block in &blocks {
        let bytes = Bytes::copy_from_slice(&file[block.offset as usize..][..block.length as usize]);
        for stored in Entries::of_block(block, header.max_parallelism, &bytes).unwrap().iter() {
            let stored = stored.unwrap();
            let table = header.tables[usize::from(block.table)].clone();
            entries.push((table, stored.namespace, stored.key.to_vec(), stored.value.to_vec()));
        }
    }
    entries
}

#[test]
fn snapshot_files_are_stored_as_ever() {
    let mut fixture = Fixture::open("snapshot", 1);
    let frozen = fixture.written("two tables", &written(&entries()));
    let mut found = read(&frozen);
    assert_eq!(written(&found), frozen);
    found.sort();
    let mut expected = entries();
    expected.sort();
    assert_eq!(found, expected);
    let empty = fixture.written("no entries", &written(&[]));
    assert!(read(&empty).is_empty());
    fixture.finish();
}

#[test]
fn times_of_changes_are_stored_as_ever() {
    let mut fixture = Fixture::open("change-time", 1);
    for (name, time, value) in [("positive", 1_700_000_000_123_i64, b"value".as_slice()), ("negative", -2, b"")] {
        let mut bytes = Vec::new();
        put_stamp(time, &mut bytes);
        bytes.extend_from_slice(value);
        let frozen = fixture.written(name, &bytes);
        assert_eq!(split_stamp(&frozen).unwrap(), (time, value));
    }
    fixture.written("name of a table", timed_name("groups-v1").as_bytes());
    fixtures::survives(&fixture.finish(), |bytes| split_stamp(bytes).ok().map(|(_, value)| value.len()));
}

#[test]
fn keys_of_databases_are_stored_as_ever() {
    let mut fixture = Fixture::open("rocksdb-key", 1);
    for (name, group, table, namespace) in [("zero", 0, 0, 0), ("mixed", 0x0102, 0x0304, 5), ("negative", 7, 1, -1)] {
        let frozen = fixture.written(name, &[prefix(group, table, namespace).as_slice(), b"key"].concat());
        assert_eq!(split_key(&frozen), Some((group, table, namespace, b"key".as_slice())));
    }
    fixtures::survives(&fixture.finish(), |bytes| split_key(bytes).map(|(.., key)| key.len()));
}

#[test]
fn catalogs_of_databases_are_stored_as_ever() {
    let mut fixture = Fixture::open("rocksdb-catalog", 1);
    let mut catalog = Catalog::new(&(3..=7), 128);
    catalog.table("groups-v1").unwrap().keys = BTreeMap::from([(0, 12), (-4, 1)]);
    catalog.table("values-0-v1+time").unwrap();
    let frozen = fixture.written("two tables", &serde_json::to_vec(&catalog).unwrap());
    let read: Catalog = serde_json::from_slice(&frozen).unwrap();
    assert_eq!(serde_json::to_vec(&read).unwrap(), frozen);
    assert_eq!(format!("{read:?}"), format!("{catalog:?}"));
    fixtures::survives(&fixture.finish(), |bytes| {
        let read: Catalog = serde_json::from_slice(bytes).ok()?;
        Some(serde_json::to_vec(&read).unwrap().len())
    });
}
