//! The columns that a decoder fills, record by record, and the malformed records it meets.

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use model::Failure;

use crate::{
    Column, Losses, Malformed,
    builder::{Builder, Problem},
    find_newline, schema_of,
};

/// What was decoded and not yet taken.
pub struct Decoded {
    schema: SchemaRef,
    pub(crate) columns: Vec<Builder>,
    pub(crate) rows: usize,
    pub(crate) losses: Losses,
    pub(crate) lines: u64,
}

/// What a record came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Rows; mostly one.
    pub(crate) rows: usize,
    /// Records that are lost, or of which a field is.
    pub(crate) losses: u64,
}

impl Decoded {
    pub(crate) fn new(columns: &[Column], ignored: bool) -> Self {
        Self {
            schema: schema_of(columns),
            columns: columns.iter().map(|column| Builder::new(&column.data_type)).collect(),
            rows: 0,
            losses: Losses::new(ignored),
            lines: 0,
        }
    }

    /// The name of a column.
    pub(crate) fn name(&self, column: usize) -> &str {
        self.schema.field(column).name()
    }

    /// Whether more records are to be decoded before something is taken.
    pub(crate) fn has_room(&self, rows_max: usize) -> bool {
        self.rows < rows_max && !self.losses.is_full()
    }

    /// Cuts the columns back to whole rows.
    pub(crate) fn roll_back(&mut self) {
        let rows = self.rows;
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    /// Settles what reading `record`, which begins at `offset`, came to.
    pub(crate) fn settle(
        &mut self,
        read: Result<Taken, Problem>,
        record: &[u8],
        offset: usize,
    ) -> Result<(), Malformed> {
        match read {
            Ok(taken) => {
                self.rows += taken.rows;
                self.losses.count += taken.losses;
                Ok(())
            }
            Err(message) => {
                self.roll_back();
                self.losses.add(record, offset, self.lines, message)
            }
        }
    }

    /// Decodes each line with `read`, which is given what is decoded so far; as [`crate::Decoder::decode`].
    pub(crate) fn each_line(
        &mut self,
        data: &[u8],
        last: bool,
        rows_max: usize,
        mut read: impl FnMut(&mut Self, &[u8]) -> Result<Taken, Problem>,
    ) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < data.len() && self.has_room(rows_max) {
            let (line, next) = match find_newline(&data[at..]) {
                Some(length) => (&data[at..at + length], at + length + 1),
                None if last => (&data[at..], data.len()),
                None => break,
            };
            let read = read(self, line);
            self.settle(read, line, at)?;
            self.lines += 1;
            at = next;
        }
        Ok(at)
    }

    /// Takes the rows held.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, Failure> {
        let arrays = self.columns.iter_mut().map(Builder::finish).collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &rows)?)
    }
}
