//! Reading a Parquet file: the bytes of the wanted columns are fetched ahead, a row group at a time, on the shared
//! runtime, and decoded here.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use arrow::array::RecordBatch;
use formats::{
    Column,
    parquet::{Footer, RowGroup, RowGroupRows},
};
use model::Failure;
use storage::Storage;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    fetch::Fetch,
    split::{Position, Split},
};

/// Row groups fetched and not yet decoded.
const ROW_GROUPS_WAITING_MAX: usize = 1;

/// A reader of one file.
pub(super) struct RowGroupReader {
    split: Split,
    groups: Fetch<RowGroup>,
    /// The row group being decoded.
    rows: Option<RowGroupRows>,
}

impl RowGroupReader {
    pub(super) fn open(split: Split, columns: &[Column], storage: &Storage, runtime: &Handle) -> Self {
        let (storage, file, columns) = (storage.clone(), split.file.clone(), columns.to_vec());
        let (size, first) = (split.end, split.position.offset);
        let groups = Fetch::start(&split.file, ROW_GROUPS_WAITING_MAX, runtime, |sender| async move {
            fetch(&storage, &file, size, &columns, first, &sender).await
        });
        Self { split, groups, rows: None }
    }

    /// The split, its position behind all rows given so far.
    pub(super) fn split(&self) -> &Split {
        &self.split
    }

    /// The next rows, at most `rows_max`; none at the end. Cancel-safe.
    pub(super) async fn next(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, Failure> {
        loop {
            if let Some(rows) = &mut self.rows {
                if let Some(batch) = rows.next(rows_max).map_err(|failure| failure.at(&self.split.file))? {
                    self.split.position.count += batch.num_rows() as u64;
                    return Ok(Some(batch));
                }
                self.rows = None;
                self.split.position = Position { offset: self.split.position.offset + 1, count: 0 };
            }
            let Some(group) = self.groups.next().await? else { return Ok(None) };
            let done = self.split.position.count as usize;
            self.rows = Some(group.open(done).map_err(|failure| failure.at(&self.split.file))?);
        }
    }
}

async fn fetch(
    storage: &Storage,
    file: &str,
    size: u64,
    columns: &[Column],
    first: u64,
    sender: &mpsc::Sender<RowGroup>,
) -> Result<(), Failure> {
    let at_file = |failure: Failure| failure.at(file);
    if size == 0 {
        return Err(at_file(Failure::data("is not a parquet file")));
    }
    // Mostly the whole footer; if it is longer, the second request gets it.
    let mut tail = 64 << 10;
    let footer = loop {
        let bytes = storage.get_range(file, size.saturating_sub(tail)..size).await?;
        match Footer::parse(&bytes, size, columns).map_err(at_file)? {
            Ok(footer) => break footer,
            Err(needed) => tail = needed,
        }
    };
    for index in first as usize..footer.row_groups() {
        let mut group = footer.row_group(index);
        for range in group.ranges() {
            let bytes = storage.get_range(file, range.clone()).await?;
            group.add(range, bytes);
        }
        if sender.send(group).await.is_err() {
            break;
        }
    }
    Ok(())
}
