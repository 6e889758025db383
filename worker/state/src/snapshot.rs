//! The backend-neutral snapshot file, version 1: `checkpoint::StateFormat::SnapshotV1`.
//!
//! One file holds the keyed state of one operator subtask. All integers are big endian.
//! ```text
//! file    = header block* footer trailer
//! header  = "SLUICEKS", version u8 (1), row encoding version u8, first and last key group u16 u16,
//!           number of key groups u32, tables u16, { name length u16, name }*, CRC-32 u32 of all before
//! block   = table u16 (its position in the header), key group u16, entries u32, length of the entries u32,
//!           { namespace i64, key length u32, key, value length u32, value }*
//! footer  = blocks u32, { table u16, key group u16, entries u32, offset u64, length u32, CRC-32 u32 }*,
//!           CRC-32 u32 of all before
//! trailer = header length u32, footer length u32, "SLUICEKE"
//! ```
//! A block holds entries of one table and key group; there may be several of them, in any order. Its length and CRC
//! in the footer cover all of it. Blocks follow each other without gaps, so that a reader knows from header, footer and
//! trailer alone whether the file has the length and the CRC that the manifest says, and then reads only the blocks of
//! its own key groups. Keys are encoded rows (`model::row`), values are what the operator's `StateValue` writes. A key
//! occurs once in a table and namespace. The format is frozen: a change gets a new version.

mod blocks;

use std::ops::RangeInclusive;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::{Failure, key, row};

pub(crate) use self::blocks::Blocks;

const HEADER_MAGIC: &[u8; 8] = b"SLUICEKS";
const TRAILER_MAGIC: &[u8; 8] = b"SLUICEKE";
const VERSION: u8 = 1;
const BLOCK_HEADER_BYTES: usize = 12;
const INDEX_ENTRY_BYTES: usize = 24;
pub(crate) const TRAILER_BYTES: usize = 16;

/// A block is complete when it has so many bytes.
const BLOCK_BYTES: usize = 256 << 10;

/// What the file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key_groups: RangeInclusive<u16>,
    pub(crate) max_parallelism: u32,
    pub(crate) tables: Vec<String>,
}

/// A block as the footer lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockInfo {
    pub(crate) table: u16,
    pub(crate) group: u16,
    entries: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    crc32: u32,
}

impl Header {
    fn encode(&self) -> Result<Bytes, Failure> {
        let long = || Failure::internal("too many tables, or a table's name is too long, for a snapshot");
        let mut out = BytesMut::new();
        out.put_slice(HEADER_MAGIC);
        out.put_u8(VERSION);
        out.put_u8(row::ENCODING_VERSION);
        out.put_u16(*self.key_groups.start());
        out.put_u16(*self.key_groups.end());
        out.put_u32(self.max_parallelism);
        out.put_u16(u16::try_from(self.tables.len()).map_err(|_| long())?);
        for name in &self.tables {
            out.put_u16(u16::try_from(name.len()).map_err(|_| long())?);
            out.put_slice(name.as_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        Ok(out.freeze())
    }

    /// Reads the header.
    ///
    /// # Errors
    /// Class `Data` if it is damaged or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let damaged = || Failure::data("the header is damaged");
        let mut rest = checked(bytes).ok_or_else(damaged)?;
        if take(&mut rest, 8).ok_or_else(damaged)? != HEADER_MAGIC {
            return Err(Failure::data("not a state file"));
        }
        let versions = take(&mut rest, 2).ok_or_else(damaged)?;
        if versions != [VERSION, row::ENCODING_VERSION] {
            return Err(Failure::data(format!(
                "version {}.{} of the state file is not known, only {VERSION}.{} is",
                versions[0],
                versions[1],
                row::ENCODING_VERSION
            )));
        }
        if rest.len() < 10 {
            return Err(damaged());
        }
        let (first, last) = (rest.get_u16(), rest.get_u16());
        let max_parallelism = rest.get_u32();
        let tables = (0..rest.get_u16())
            .map(|_| {
                let length = take(&mut rest, 2)?.get_u16();
                String::from_utf8(take(&mut rest, length.into())?.to_vec()).ok()
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(damaged)?;
        Ok(Self { key_groups: first..=last, max_parallelism, tables })
    }
}

/// The bytes before the CRC at their end, if it fits.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (content, mut crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    (crc32fast::hash(content) == crc.get_u32()).then_some(content)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// Lengths of header and footer.
pub(crate) fn decode_trailer(mut trailer: &[u8]) -> Result<(u32, u32), Failure> {
    if trailer.len() != TRAILER_BYTES || trailer[8..] != *TRAILER_MAGIC {
        return Err(Failure::data("the end of the state file is missing or damaged"));
    }
    Ok((trailer.get_u32(), trailer.get_u32()))
}

/// Reads the footer and holds it, with header and trailer, against the file's length and CRC.
pub(crate) fn decode_footer(
    header: &[u8],
    footer: &[u8],
    trailer: &[u8],
    size: u64,
    crc32: u32,
) -> Result<Vec<BlockInfo>, Failure> {
    let damaged = || Failure::data("the footer is damaged");
    let mut rest = checked(footer).filter(|rest| rest.len() >= 4).ok_or_else(damaged)?;
    let count = rest.get_u32() as usize;
    if rest.len() != count * INDEX_ENTRY_BYTES {
        return Err(damaged());
    }
    let mut blocks = Vec::with_capacity(count);
    let mut whole = crc32fast::Hasher::new();
    whole.update(header);
    let mut offset = header.len() as u64;
    while !rest.is_empty() {
        let block = BlockInfo {
            table: rest.get_u16(),
            group: rest.get_u16(),
            entries: rest.get_u32(),
            offset: rest.get_u64(),
            length: rest.get_u32(),
            crc32: rest.get_u32(),
        };
        if block.offset != offset || (block.length as usize) < BLOCK_HEADER_BYTES {
            return Err(damaged());
        }
        whole.combine(&crc32fast::Hasher::new_with_initial_len(block.crc32, block.length.into()));
        offset += u64::from(block.length);
        blocks.push(block);
    }
    whole.update(footer);
    whole.update(trailer);
    if offset + (footer.len() + trailer.len()) as u64 != size {
        return Err(Failure::data("the parts of the state file do not add up to its length"));
    }
    if whole.finalize() != crc32 {
        return Err(Failure::data("the checksum of the state file is not the one the snapshot lists"));
    }
    Ok(blocks)
}

/// The stored entries of one block.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    pub(crate) group: u16,
    max_parallelism: u32,
    payload: Bytes,
}

/// A stored entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) namespace: i64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Of the key.
    pub(crate) hash: u64,
}

impl Entries {
    /// The entries of a block that was read.
    ///
    /// # Errors
    /// Class `Data` if the block is not the one the footer lists.
    pub(crate) fn of_block(info: &BlockInfo, max_parallelism: u32, block: &Bytes) -> Result<Self, Failure> {
        let damaged = || Failure::data(format!("the block at byte {} is damaged", info.offset));
        if crc32fast::hash(block) != info.crc32 {
            return Err(damaged());
        }
        let mut header = &block[..BLOCK_HEADER_BYTES];
        let fits = header.get_u16() == info.table
            && header.get_u16() == info.group
            && header.get_u32() == info.entries
            && header.get_u32() as usize == block.len() - BLOCK_HEADER_BYTES;
        if !fits {
            return Err(damaged());
        }
        Ok(Self { group: info.group, max_parallelism, payload: block.slice(BLOCK_HEADER_BYTES..) })
    }

    /// The entries in order. One that is cut off or belongs to another key group is an error.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<Stored<'_>, Failure>> {
        let mut rest: &[u8] = &self.payload;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let stored = Self::next(&mut rest).filter(|stored| {
                self.max_parallelism > 0 && key::key_group(stored.hash, self.max_parallelism) == self.group
            });
            if stored.is_none() {
                rest = &[];
            }
            Some(stored.ok_or_else(|| {
                Failure::data(format!("a stored entry is cut off or does not belong to key group {}", self.group))
            }))
        })
    }

    fn next<'a>(rest: &mut &'a [u8]) -> Option<Stored<'a>> {
        let namespace = take(rest, 8)?.get_i64();
        let length = take(rest, 4)?.get_u32();
        let key = take(rest, length as usize)?;
        let length = take(rest, 4)?.get_u32();
        let value = take(rest, length as usize)?;
        Some(Stored { namespace, key, value, hash: key::hash(key) })
    }
}

/// Collects entries that come in order of table and key group, as [`Entries`].
pub(crate) struct EntriesBuilder {
    max_parallelism: u32,
    open: Option<(String, u16)>,
    payload: Vec<u8>,
    done: Vec<(String, Entries)>,
}

impl EntriesBuilder {
    pub(crate) fn new(max_parallelism: u32) -> Self {
        Self { max_parallelism, open: None, payload: Vec::new(), done: Vec::new() }
    }

    pub(crate) fn add(&mut self, table: &str, namespace: i64, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let group = key::key_group(key::hash(key), self.max_parallelism);
        let goes_on = matches!(&self.open, Some((open, of)) if open == table && *of == group);
        if !goes_on || self.payload.len() >= BLOCK_BYTES {
            self.close();
            self.open = Some((table.to_owned(), group));
        }
        put_entry(&mut self.payload, namespace, key, |out| out.extend_from_slice(value))
    }

    fn close(&mut self) {
        if let Some((table, group)) = self.open.take() {
            let payload = std::mem::take(&mut self.payload).into();
            self.done.push((table, Entries { group, max_parallelism: self.max_parallelism, payload }));
        }
    }

    pub(crate) fn finish(mut self) -> Vec<(String, Entries)> {
        self.close();
        self.done
    }
}

fn too_long() -> Failure {
    Failure::data("a stored key or value is longer than a state file can hold (4 GiB)")
}

fn put_entry(out: &mut Vec<u8>, namespace: i64, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
    out.put_i64(namespace);
    put_bytes(out, |out| out.extend_from_slice(key))?;
    put_bytes(out, value)
}

fn put_bytes(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
    let at = out.len();
    out.put_u32(0);
    content(out);
    let length = u32::try_from(out.len() - at - 4).map_err(|_| too_long())?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;
