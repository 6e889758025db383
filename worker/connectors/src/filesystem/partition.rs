//! Partition columns: their values are in the names of folders, as Hive writes them, `dt=2026-01-01/hm=12%3A30/`.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType as Arrow, SchemaRef},
};
use formats::Column;
use graph::TableSpec;
use model::{DataType, Failure};

/// The folder of each row.
pub(super) fn folders(
    partitions: &[(usize, String)],
    rows: &RecordBatch,
    default: &str,
) -> Result<Vec<String>, Failure> {
    let mut folders = vec![String::new(); rows.num_rows()];
    for (column, name) in partitions {
        let values: ArrayRef = cast(rows.column(*column), &Arrow::Utf8)?;
        let values = values.as_string::<i32>();
        for (row, folder) in folders.iter_mut().enumerate() {
            folder.push_str(&escaped(name));
            folder.push('=');
            if values.is_null(row) || values.value(row).is_empty() {
                folder.push_str(default);
            } else {
                folder.push_str(&escaped(values.value(row)));
            }
            folder.push('/');
        }
    }
    Ok(folders)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_control() || "\"#%'*/:=?\\{}[]^".contains(letter) {
            escaped.push_str(&format!("%{:02X}", letter as u32));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which wanted columns are in the files, and which in their folders' names.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The columns that are decoded.
    pub(super) stored: Vec<Column>,
    schema: SchemaRef,
    places: Vec<Place>,
    default: String,
}

#[derive(Clone, Debug)]
enum Place {
    Stored(usize),
    Folder { name: String, data_type: DataType },
}

impl Layout {
    pub(super) fn new(table: &TableSpec, columns: Vec<Column>, default: &str) -> Self {
        let schema = formats::schema_of(&columns);
        let mut stored = Vec::new();
        let places = columns
            .into_iter()
            .map(|column| {
                let top = column.path.first().and_then(|name| table.schema.index_of(name));
                if top.is_some_and(|top| table.partitioned_by.contains(&top)) {
                    return Place::Folder { name: column.name(), data_type: column.data_type };
                }
                stored.push(column);
                Place::Stored(stored.len() - 1)
            })
            .collect();
        Self { stored, schema, places, default: default.to_owned() }
    }

    /// Rows of a file with the values of its folders.
    pub(super) fn complete(&self, file: &str, rows: RecordBatch) -> Result<RecordBatch, Failure> {
        if self.stored.len() == self.places.len() {
            return Ok(rows);
        }
        let arrays = self
            .places
            .iter()
            .map(|place| match place {
                Place::Stored(column) => Ok(rows.column(*column).clone()),
                Place::Folder { name, data_type } => {
                    let value = self.value(file, name)?;
                    formats::constant(data_type, value.as_deref(), rows.num_rows())
                        .map_err(|failure| failure.at(format_args!("{file}: partition column {name}")))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let count = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &count)?)
    }

    fn value(&self, file: &str, name: &str) -> Result<Option<String>, Failure> {
        let prefix = format!("{}=", escaped(name));
        match file.split('/').rev().find_map(|folder| folder.strip_prefix(prefix.as_str())) {
            None => Err(Failure::data(format!("{file}: is in no folder {prefix}…"))),
            Some(value) if value == self.default => Ok(None),
            Some(value) => Ok(Some(unescaped(value))),
        }
    }
}
