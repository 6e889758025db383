//! The columns of the wide table.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, StructArray, TimestampMillisecondArray, new_null_array},
    datatypes::DataType as Arrow,
};
use model::{DataType, Failure, Field as SchemaField, Schema};

use super::{
    Options,
    event::{Events, Kind},
    values::{Maker, Texts},
};

pub(super) const EVENT_TYPE: &str = "event_type";

/// A column of the source's output.
#[derive(Clone, Debug)]
pub(super) enum Column {
    EventType,
    Leaf {
        leaf: Leaf,
        data_type: Arrow,
    },
    /// A whole `ROW`, of the fields in the order they are declared.
    Row {
        kind: Kind,
        fields: Vec<Column>,
        data_type: Arrow,
    },
}

macro_rules! leaves {
    ($($leaf:ident = $kind:ident $name:literal $type:ident),+ $(,)?) => {
        /// A field of one of the rows; its number is the number of its draws.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Leaf { $($leaf),+ }

        impl Leaf {
            pub(super) const ALL: &[(Self, Kind, &'static str, Type)] = &[$((Self::$leaf, Kind::$kind, $name, Type::$type)),+];
        }
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Long,
    Text,
    Time,
}

impl Type {
    fn declared(self) -> DataType {
        match self {
            Self::Long => DataType::BigInt,
            Self::Text => DataType::String,
            Self::Time => DataType::Timestamp(3),
        }
    }

    fn fits(self, declared: &DataType) -> bool {
        match self {
            Self::Long => *declared == DataType::BigInt,
            Self::Text => matches!(declared, DataType::String | DataType::Varchar(_)),
            Self::Time => declared.can_be_rowtime(),
        }
    }
}

leaves! {
    PersonId = Person "id" Long,
    PersonName = Person "name" Text,
    PersonEmail = Person "emailAddress" Text,
    PersonCard = Person "creditCard" Text,
    PersonCity = Person "city" Text,
    PersonState = Person "state" Text,
    PersonTime = Person "dateTime" Time,
    PersonExtra = Person "extra" Text,
    AuctionId = Auction "id" Long,
    AuctionItem = Auction "itemName" Text,
    AuctionDescription = Auction "description" Text,
    AuctionInitialBid = Auction "initialBid" Long,
    AuctionReserve = Auction "reserve" Long,
    AuctionTime = Auction "dateTime" Time,
    AuctionExpires = Auction "expires" Time,
    AuctionSeller = Auction "seller" Long,
    AuctionCategory = Auction "category" Long,
    AuctionExtra = Auction "extra" Text,
    BidAuction = Bid "auction" Long,
    BidBidder = Bid "bidder" Long,
    BidPrice = Bid "price" Long,
    BidChannel = Bid "channel" Text,
    BidUrl = Bid "url" Text,
    BidTime = Bid "dateTime" Time,
    BidExtra = Bid "extra" Text,
}

const ROWS: [(Kind, &str); 3] = [(Kind::Person, "person"), (Kind::Auction, "auction"), (Kind::Bid, "bid")];

/// The wide table.
pub(super) fn schema() -> Schema {
    let rows = ROWS.map(|(row, name)| {
        let leaves = Leaf::ALL.iter().filter(|(_, kind, ..)| *kind == row);
        let fields = leaves.map(|(_, _, name, leaf_type)| SchemaField::new(*name, leaf_type.declared())).collect();
        SchemaField::new(name, DataType::Row(fields))
    });
    Schema::new([SchemaField::new(EVENT_TYPE, DataType::Int)].into_iter().chain(rows).collect())
}

impl Column {
    /// The column at a path of the wide table.
    pub(super) fn resolve(path: &[String], data_type: &DataType) -> Result<Self, Failure> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let unknown = || Failure::user(format!("nexmark has no column {}; it has: {}", names.join("."), describe()));
        let row = |name: &str| ROWS.iter().find(|(_, row)| *row == name).map(|(kind, _)| *kind).ok_or_else(unknown);
        match names.as_slice() {
            [EVENT_TYPE] if *data_type == DataType::Int => Ok(Self::EventType),
            [EVENT_TYPE] => Err(wrong_type(&names, data_type, &DataType::Int)),
            [name] => {
                let kind = row(name)?;
                let DataType::Row(fields) = data_type else {
                    return Err(Failure::user(format!("column {name} of nexmark is a ROW, not {data_type}")));
                };
                let fields = fields
                    .iter()
                    .map(|field| Self::resolve(&[(*name).to_owned(), field.name.clone()], &field.data_type))
                    .collect::<Result<_, _>>()?;
                Ok(Self::Row { kind, fields, data_type: data_type.to_arrow() })
            }
            [row_name, field] => {
                let kind = row(row_name)?;
                let (leaf, _, _, leaf_type) = Leaf::ALL
                    .iter()
                    .find(|(_, leaf_kind, name, _)| *leaf_kind == kind && name == field)
                    .ok_or_else(unknown)?;
                if !leaf_type.fits(data_type) {
                    return Err(wrong_type(&names, data_type, &leaf_type.declared()));
                }
                Ok(Self::Leaf { leaf: *leaf, data_type: data_type.to_arrow() })
            }
            _ => Err(unknown()),
        }
    }

    /// Its values for some events.
    pub(super) fn generate(&self, events: &Events, options: &Options, texts: &Texts) -> ArrayRef {
        match self {
            Self::EventType => Arc::new(Int32Array::from(events.codes())),
            Self::Leaf { leaf, data_type } => {
                let (_, kind, _, leaf_type) = Leaf::ALL[*leaf as usize];
                let Ok(validity) = events.validity(kind) else { return new_null_array(data_type, events.len()) };
                let maker = Maker { events, options, texts, validity };
                match leaf_type {
                    Type::Long => Arc::new(Int64Array::new(maker.longs(*leaf), validity.cloned())),
                    Type::Text => maker.strings(*leaf),
                    Type::Time => Arc::new(
                        TimestampMillisecondArray::new(maker.times(*leaf), validity.cloned())
                            .with_data_type(data_type.clone()),
                    ),
                }
            }
            Self::Row { kind, fields, data_type } => {
                let Arrow::Struct(declared) = data_type else { return new_null_array(data_type, events.len()) };
                let Ok(validity) = events.validity(*kind) else { return new_null_array(data_type, events.len()) };
                let arrays = fields.iter().map(|field| field.generate(events, options, texts)).collect();
                Arc::new(StructArray::new(declared.clone(), arrays, validity.cloned()))
            }
        }
    }

    pub(super) fn needs(&self, wanted: &[Leaf]) -> bool {
        match self {
            Self::EventType => false,
            Self::Leaf { leaf, .. } => wanted.contains(leaf),
            Self::Row { fields, .. } => fields.iter().any(|field| field.needs(wanted)),
        }
    }
}

fn describe() -> String {
    schema().fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect::<Vec<_>>().join(", ")
}

fn wrong_type(names: &[&str], declared: &DataType, expected: &DataType) -> Failure {
    Failure::user(format!("column {} of nexmark is of type {expected}, not {declared}", names.join(".")))
}
