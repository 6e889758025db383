//! Partition columns: their values are in the names of folders, as Hive writes them, `dt=2026-01-01/hm=12%3A30/`.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array},
    compute::cast,
    datatypes::{DataType as Arrow, SchemaRef},
};
use expressions::Evaluator;
use formats::Column;
use graph::{Expr, TableSpec};
use model::{DataType, Failure, Field, Schema, timestamp};
use values::datetime::timestamp_text;

use super::{metadata::Key, split::Split};

/// The folder of each row.
pub(super) fn folders(
    partitions: &[(usize, String)],
    rows: &RecordBatch,
    default: &str,
) -> Result<Vec<String>, Failure> {
    let mut folders = vec![String::new(); rows.num_rows()];
    for (column, name) in partitions {
        let values = texts(rows.column(*column))?;
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

/// The values of a column as text.
fn texts(column: &ArrayRef) -> Result<ArrayRef, Failure> {
    let Some(is_instant) = timestamp::is_wide(column.data_type()) else { return Ok(cast(column, &Arrow::Utf8)?) };
    let time = |row: usize| timestamp::instant_at(column.as_ref(), row);
    let texts = (0..column.len()).map(|row| time(row).map(|time| timestamp_text(time, is_instant)));
    Ok(Arc::new(texts.collect::<StringArray>()))
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

/// The names and values of a folder.
pub(super) fn values(folder: &str) -> Vec<(String, String)> {
    let parts = folder.split('/').filter_map(|part| part.split_once('='));
    parts.map(|(name, value)| (unescaped(name), unescaped(value))).collect()
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

/// Which wanted columns are in the files, which in their folders' names, and which are told about the files.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The columns that are decoded.
    pub(super) stored: Vec<Column>,
    schema: SchemaRef,
    places: Vec<Place>,
    default: String,
    /// Conditions on columns that are not in the files.
    conditions: Arc<[Evaluator]>,
}

#[derive(Clone, Debug)]
enum Place {
    Stored(usize),
    Folder { name: String, data_type: DataType },
    Metadata { key: Key, data_type: DataType },
}

impl Layout {
    pub(super) fn new(
        table: &TableSpec,
        columns: Vec<Column>,
        filters: &[Expr],
        default: &str,
    ) -> Result<Self, Failure> {
        let fields = columns.iter().map(|column| Field::new(column.name(), column.data_type.clone()));
        let input = Schema::new(fields.collect());
        let schema = formats::schema_of(&columns);
        let mut stored = Vec::new();
        let places = columns
            .into_iter()
            .map(|column| {
                let name = column.path.first();
                let told = table.metadata.iter().find(|told| Some(&told.name) == name);
                if let Some(key) = told.and_then(|told| Key::of(&told.key)) {
                    return Place::Metadata { key, data_type: column.data_type };
                }
                let top = name.and_then(|name| table.schema.index_of(name));
                if top.is_some_and(|top| table.partitioned_by.contains(&top)) {
                    return Place::Folder { name: column.name(), data_type: column.data_type };
                }
                stored.push(column);
                Place::Stored(stored.len() - 1)
            })
            .collect::<Vec<_>>();
        let of_file = |column: usize| matches!(places.get(column), Some(Place::Folder { .. } | Place::Metadata { .. }));
        let conditions = filters.iter().filter(|filter| reads_only(filter, &of_file));
        let conditions = conditions.map(|filter| Evaluator::compile(filter, &input)).collect::<Result<_, _>>()?;
        Ok(Self { stored, schema, places, default: default.to_owned(), conditions })
    }

    /// Whether more than the names of files is wanted of them.
    pub(super) fn needs_facts(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Metadata { key, .. } if key.needs_facts()))
    }

    /// Whether a file may hold rows that the query needs, as far as can be told without opening it.
    pub(super) fn is_wanted(&self, split: &Split) -> Result<bool, Failure> {
        if self.conditions.is_empty() {
            return Ok(true);
        }
        let fields = self.stored.iter().map(|column| column.data_type.to_arrow());
        let nothing: Vec<ArrayRef> = fields.map(|data_type| new_null_array(&data_type, 1)).collect();
        let stored = RecordBatchOptions::new().with_row_count(Some(1));
        let stored = RecordBatch::try_new_with_options(formats::schema_of(&self.stored), nothing, &stored)?;
        let row = self.complete(split, stored)?;
        for condition in self.conditions.iter() {
            // The filter behind the source decides: it may not come to this condition.
            let Ok(held) = condition.evaluate_predicate(&row) else { return Ok(true) };
            if held.is_null(0) || !held.value(0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Rows of a file with the values of its folders and its metadata.
    pub(super) fn complete(&self, split: &Split, rows: RecordBatch) -> Result<RecordBatch, Failure> {
        if self.stored.len() == self.places.len() {
            return Ok(rows);
        }
        let file = split.file.as_str();
        let arrays = self
            .places
            .iter()
            .map(|place| match place {
                Place::Metadata { key, data_type } => {
                    let value = key.text(file, split.facts);
                    formats::constant(data_type, value.as_deref(), rows.num_rows())
                        .map_err(|failure| failure.at(format_args!("{file}: metadata")))
                }
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

/// Whether a condition reads columns at all, and only such.
fn reads_only(condition: &Expr, which: &impl Fn(usize) -> bool) -> bool {
    let (mut any, mut all) = (false, true);
    condition.visit(&mut |expr| {
        if let Expr::Column(column) = expr {
            any = true;
            all &= which(*column);
        }
    });
    any && all
}
