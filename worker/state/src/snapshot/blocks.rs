//! Writing a snapshot file.

#![expect(clippy::cast_possible_truncation, reason = "sizes are checked when a file is written and when it is read")]

use bytes::{BufMut, Bytes, BytesMut};
use model::{Failure, key};

use super::{BLOCK_BYTES, BLOCK_HEADER_BYTES, Header, TRAILER_BYTES, TRAILER_MAGIC, put_entry, too_long};

/// All blocks are written when together they have so many bytes.
const BUFFER_BYTES_MAX: usize = 16 << 20;

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    entries: u32,
}

/// Writes a snapshot file, handing it over piece by piece.
pub(crate) struct Blocks<'a> {
    header: Header,
    sink: &'a mut dyn FnMut(Bytes) -> Result<(), Failure>,
    header_length: u32,
    offset: u64,
    /// A buffer for each table and key group.
    buffers: Vec<Buffer>,
    buffered: usize,
    index: BytesMut,
    blocks: u32,
}

impl<'a> Blocks<'a> {
    /// Begins a file.
    pub(crate) fn new(header: Header, sink: &'a mut dyn FnMut(Bytes) -> Result<(), Failure>) -> Result<Self, Failure> {
        let encoded = header.encode()?;
        let mut buffers = Vec::new();
        buffers.resize_with(header.tables.len() * header.key_groups.len(), Buffer::default);
        let length = encoded.len();
        sink(encoded)?;
        Ok(Self {
            header,
            sink,
            header_length: length as u32,
            offset: length as u64,
            buffers,
            buffered: 0,
            index: BytesMut::new(),
            blocks: 0,
        })
    }

    /// Adds an entry; `hash` is the key's, `value` appends the stored form of the value.
    ///
    /// # Errors
    /// Class `Internal` if the key does not belong to the key groups of this file: it would be lost.
    pub(crate) fn add(
        &mut self,
        table: u16,
        hash: u64,
        namespace: i64,
        key: &[u8],
        value: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Failure> {
        let group = key::key_group(hash, self.header.max_parallelism);
        if !self.header.key_groups.contains(&group) {
            return Err(Failure::internal(format!(
                "a key of key group {group} is in the state of key groups {} to {}",
                self.header.key_groups.start(),
                self.header.key_groups.end()
            )));
        }
        let slot =
            usize::from(table) * self.header.key_groups.len() + usize::from(group - self.header.key_groups.start());
        let buffer = &mut self.buffers[slot];
        let before = buffer.bytes.len();
        put_entry(&mut buffer.bytes, namespace, key, value)?;
        buffer.entries += 1;
        let length = buffer.bytes.len();
        self.buffered += length - before;
        if length >= BLOCK_BYTES {
            self.flush(slot)?;
        }
        if self.buffered >= BUFFER_BYTES_MAX {
            self.flush_all()?;
        }
        Ok(())
    }

    fn flush_all(&mut self) -> Result<(), Failure> {
        (0..self.buffers.len()).try_for_each(|slot| self.flush(slot))
    }

    fn flush(&mut self, slot: usize) -> Result<(), Failure> {
        let Buffer { bytes, entries } = std::mem::take(&mut self.buffers[slot]);
        if entries == 0 {
            return Ok(());
        }
        self.buffered -= bytes.len();
        let groups = self.header.key_groups.len();
        let (table, group) = ((slot / groups) as u16, self.header.key_groups.start() + (slot % groups) as u16);
        let mut header = BytesMut::with_capacity(BLOCK_HEADER_BYTES);
        header.put_u16(table);
        header.put_u16(group);
        header.put_u32(entries);
        header.put_u32(u32::try_from(bytes.len()).map_err(|_| too_long())?);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        crc.update(&bytes);
        let length = u32::try_from(header.len() + bytes.len()).map_err(|_| too_long())?;
        self.index.put_u16(table);
        self.index.put_u16(group);
        self.index.put_u32(entries);
        self.index.put_u64(self.offset);
        self.index.put_u32(length);
        self.index.put_u32(crc.finalize());
        self.blocks += 1;
        self.offset += u64::from(length);
        (self.sink)(header.freeze())?;
        (self.sink)(bytes.into())
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush_all()?;
        let mut footer = BytesMut::with_capacity(self.index.len() + 8 + TRAILER_BYTES);
        footer.put_u32(self.blocks);
        footer.put_slice(&self.index);
        let crc = crc32fast::hash(&footer);
        footer.put_u32(crc);
        let length = u32::try_from(footer.len()).map_err(|_| too_long())?;
        footer.put_u32(self.header_length);
        footer.put_u32(length);
        footer.put_slice(TRAILER_MAGIC);
        (self.sink)(footer.freeze())
    }
}
