//! Reading a split of lines: blocks are fetched ahead on the shared runtime, records decoded here.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use arrow::array::RecordBatch;
use bytes::Bytes;
use dataflow::Rejected;
use formats::Decoder;
use futures::{StreamExt, stream};
use model::{Failure, batch::BYTES_TARGET};
use storage::Storage;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    compression::{Compression, Decompressor},
    fetch::Fetch,
    split::{Position, Split, is_gone},
};

/// Bytes of one request.
const BLOCK_BYTES: u64 = 2 << 20;
/// Requests of one reader under way.
const BLOCKS_IN_FLIGHT: usize = 3;
/// Blocks that wait to be decoded.
const BLOCKS_WAITING_MAX: usize = 1;
/// What some programs put before UTF-8 text.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// A record may be no longer.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// A reader of one split.
pub(super) struct LineReader {
    split: Split,
    decoder: Box<dyn Decoder>,
    blocks: Fetch<Bytes>,
    /// A record that began in an earlier block.
    carry: Vec<u8>,
    /// How much is added to `carry` before the next attempt: as much again after one in vain, so that the attempts at a
    /// long record are few.
    carry_step: usize,
    block: Bytes,
    /// Offset of the first byte of `carry`, or of `block` if that is empty.
    at: u64,
    /// Where the split ends, in the bytes that are decoded.
    end: u64,
    /// Whether the rest of a line that belongs to the split before is still to be passed over.
    skipping: bool,
    ended: bool,
    /// Whether a mark at the start of the file is passed over.
    skips_mark: bool,
    /// Lines before those of the decoder; unknown in the middle of a file.
    lines: Option<u64>,
    /// Bytes decoded since the last rows were given.
    pending_bytes: usize,
    /// Malformed records since the last rows were given, and those before.
    found: Vec<Rejected>,
    /// Whether `found` are so many that they are to be given before more is decoded.
    is_found_full: bool,
    rejected: Vec<Rejected>,
    /// All malformed records so far.
    skipped: u64,
}

impl LineReader {
    pub(super) fn open(
        split: Split,
        decoder: Box<dyn Decoder>,
        skips_mark: bool,
        storage: &Storage,
        runtime: &Handle,
    ) -> Self {
        let position = split.position;
        let compression = Compression::of(&split.file);
        // The byte before tells whether a line begins at the start.
        let skipping = split.start > 0 && position.offset == split.start;
        let from = position.offset - u64::from(skipping);
        let (storage, file, size) = (storage.clone(), split.file.clone(), split.end);
        let blocks = Fetch::start(&split.file, BLOCKS_WAITING_MAX, runtime, |sender| async move {
            match compression {
                Some(compression) => fetch_compressed(&storage, &file, (compression, size), from, &sender).await,
                None => fetch(&storage, &file, from, &sender).await,
            }
        });
        Self {
            decoder,
            blocks,
            carry: Vec::new(),
            carry_step: 0,
            block: Bytes::new(),
            at: from,
            end: if compression.is_some() { u64::MAX } else { split.end },
            skipping,
            ended: false,
            skips_mark,
            lines: (split.start == 0).then_some(position.count),
            pending_bytes: 0,
            found: Vec::new(),
            is_found_full: false,
            rejected: Vec::new(),
            skipped: 0,
            split,
        }
    }

    /// The split, its position behind all rows given so far.
    pub(super) fn split(&self) -> &Split {
        &self.split
    }

    pub(super) fn skipped_rows(&self) -> u64 {
        self.skipped
    }

    /// Takes the malformed records that lie before the position of the split.
    pub(super) fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }

    /// The next rows, at most `rows_max`; none at the end of the split. Cancel-safe.
    pub(super) async fn next(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, Failure> {
        loop {
            self.decode(rows_max)?;
            let done = self.at >= self.end || (self.ended && self.block.is_empty() && self.carry.is_empty());
            let rows = self.decoder.rows();
            let is_full = rows >= rows_max || self.pending_bytes >= BYTES_TARGET;
            if (rows > 0 && (done || is_full)) || self.is_found_full {
                return self.give().map(Some);
            }
            if done {
                self.rejected.append(&mut self.found);
                return Ok(None);
            }
            // Rows do not wait for slow storage.
            if rows > 0 && self.blocks.is_behind() {
                return self.give().map(Some);
            }
            match self.blocks.next().await? {
                Some(block) => {
                    self.block = block;
                    if self.skips_mark && self.at == 0 && self.carry.is_empty() && self.block.starts_with(MARK) {
                        let _ = self.block.split_to(MARK.len());
                        self.at = MARK.len() as u64;
                    }
                }
                None => self.ended = true,
            }
        }
    }

    fn give(&mut self) -> Result<RecordBatch, Failure> {
        self.pending_bytes = 0;
        self.rejected.append(&mut self.found);
        self.is_found_full = false;
        self.split.position = Position { offset: self.at, count: self.lines.unwrap_or(0) + self.decoder.lines() };
        self.decoder.take()
    }

    /// Decodes what there is; afterwards `block` is empty unless there are enough rows or the split is read.
    fn decode(&mut self, rows_max: usize) -> Result<(), Failure> {
        if self.skipping && !self.skip_line() {
            return Ok(());
        }
        loop {
            if self.at >= self.end || self.decoder.rows() >= rows_max || self.is_found_full {
                return Ok(());
            }
            if self.carry.is_empty() {
                let block = self.block.clone();
                let taken = self.decode_from(&block, self.ended, rows_max)?;
                let _ = self.block.split_to(taken);
                if self.decoder.rows() < rows_max && self.at < self.end && !self.block.is_empty() && taken == 0 {
                    self.carry.extend_from_slice(&std::mem::take(&mut self.block));
                }
                if taken == 0 {
                    return Ok(());
                }
            } else {
                let from = self.carry_step.min(self.block.len());
                self.carry_step -= from;
                if self.carry_step > 0 && !self.ended {
                    self.carry.extend_from_slice(&std::mem::take(&mut self.block));
                    return Ok(());
                }
                // The rest of the line that was cut.
                let newline = formats::find_newline(&self.block[from..]);
                let length = newline.map_or(self.block.len(), |newline| from + newline + 1).min(self.carry_room());
                self.carry.extend_from_slice(&self.block.split_to(length));
                let carry = std::mem::take(&mut self.carry);
                let taken = self.decode_from(&carry, self.ended && self.block.is_empty(), rows_max);
                self.carry = carry;
                let taken = taken?;
                self.carry.drain(..taken);
                let room = self.carry_room();
                if taken == 0 && room == 0 {
                    return Err(self.failure(self.at, &format!("a record is longer than {RECORD_BYTES_MAX} bytes")));
                }
                self.carry_step = if taken == 0 { self.carry.len().min(room) } else { 0 };
                if taken == 0 && self.block.is_empty() {
                    return Ok(());
                }
            }
        }
    }

    /// How much `carry` can take until it is longer than a record may be.
    fn carry_room(&self) -> usize {
        (RECORD_BYTES_MAX + 1).saturating_sub(self.carry.len())
    }

    /// Decodes the records of `data` that begin in the split; returns how many bytes were taken.
    fn decode_from(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Failure> {
        let in_split = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let (data, last) = if in_split < data.len() {
            // The last line may reach beyond the end.
            match formats::find_newline(&data[in_split - 1..]) {
                Some(newline) => (&data[..in_split + newline], true),
                None => (data, last),
            }
        } else {
            (data, last)
        };
        match self.decoder.decode(data, last, rows_max) {
            Ok(taken) => {
                self.is_found_full |= self.decoder.losses().is_full();
                for malformed in self.decoder.losses().take() {
                    let place = self.place(self.at + malformed.offset as u64, malformed.lines);
                    let (message, record) = (malformed.message, malformed.record);
                    self.found.push(Rejected { place, message, record });
                }
                self.skipped = self.decoder.losses().count();
                self.at += taken as u64;
                self.pending_bytes += taken;
                Ok(taken)
            }
            Err(malformed) => Err(self.failure(self.at + malformed.offset as u64, &malformed.message)),
        }
    }

    /// Passes over bytes up to the first newline; false if more is needed.
    fn skip_line(&mut self) -> bool {
        match formats::find_newline(&self.block) {
            Some(newline) => {
                let _ = self.block.split_to(newline + 1);
                self.at += newline as u64 + 1;
                self.skipping = false;
                true
            }
            None => {
                self.at += self.block.len() as u64;
                self.block = Bytes::new();
                self.ended
            }
        }
    }

    fn failure(&self, offset: u64, problem: &str) -> Failure {
        Failure::data(format!("{}: {problem}", self.place(offset, self.decoder.lines())))
    }

    /// Where a record begins: at this byte of the file, behind so many lines of the decoder.
    fn place(&self, offset: u64, lines: u64) -> String {
        let file = &self.split.file;
        match self.lines {
            Some(before) => format!("{file}, line {} (byte {offset})", before + lines + 1),
            None => format!("{file}, byte {offset}"),
        }
    }
}

/// Sends a file's bytes from an offset on.
async fn fetch(storage: &Storage, file: &str, from: u64, sender: &mpsc::Sender<Bytes>) -> Result<(), Failure> {
    // What a file has grown by since it was listed only matters to the record that ends there; one that shrank is an
    // error of the store.
    let size = match storage.head(file).await? {
        Some(object) => object.size,
        None => return Err(is_gone(file)),
    };
    let starts = (from..size.max(from)).step_by(BLOCK_BYTES as usize);
    let requests = starts.map(|start| storage.get_range(file, start..(start + BLOCK_BYTES).min(size)));
    let mut blocks = stream::iter(requests).buffered(BLOCKS_IN_FLIGHT);
    while let Some(block) = blocks.next().await {
        if sender.send(block?).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends the decompressed bytes of a file from an offset on. Nothing is read of what the file has grown by since it was
/// listed with this size.
async fn fetch_compressed(
    storage: &Storage,
    file: &str,
    (compression, size): (Compression, u64),
    from: u64,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    /// Compressed bytes that are decompressed at a time, so that the runtime's thread is not held for long.
    const PIECE_BYTES: usize = 64 << 10;
    let mut reader = storage.reader_of(file, size).await?;
    let mut decompressor = Decompressor::new(compression, file)?;
    let mut skip = from;
    let mut behind = |mut output: Bytes| {
        let skipped = output.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
        skip -= skipped as u64;
        output.split_off(skipped)
    };
    while let Some(mut block) = reader.next().await? {
        while !block.is_empty() {
            let mut piece = block.split_to(block.len().min(PIECE_BYTES));
            while let Some(output) = decompressor.decompress(&mut piece, file)? {
                let output = behind(output);
                if !output.is_empty() && sender.send(output).await.is_err() {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
        }
    }
    let output = behind(decompressor.finish(file)?);
    if !output.is_empty() {
        // The reader may be gone, and then nobody needs it.
        let _ = sender.send(output).await;
    }
    Ok(())
}
