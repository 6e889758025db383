//! Named, typed columns.

use std::sync::Arc;

use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::DataType;

/// One column, or one field of a `ROW`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Case-sensitive name.
    pub name: String,
    /// Flink type.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// False only where null was excluded by declaration.
    #[serde(default = "nullable_default", skip_serializing_if = "is_true")]
    pub nullable: bool,
}

fn nullable_default() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Field {
    /// A nullable field.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true }
    }

    /// The arrow field. Nullability is not carried over: kernels may produce nulls anywhere.
    pub fn to_arrow(&self) -> arrow::datatypes::Field {
        arrow::datatypes::Field::new(&self.name, self.data_type.to_arrow(), true)
    }
}

/// An ordered list of columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    /// The columns in order.
    pub fields: Vec<Field>,
}

impl Schema {
    /// A schema of these fields.
    pub fn new(fields: Vec<Field>) -> Self {
        Self { fields }
    }

    /// The arrow schema.
    pub fn to_arrow(&self) -> SchemaRef {
        Arc::new(ArrowSchema::new(self.fields.iter().map(Field::to_arrow).collect::<Vec<_>>()))
    }

    /// The position of a column by its exact name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}
