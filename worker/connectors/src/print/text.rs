//! Values as Flink's `Row` prints them.

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType as Arrow, Date32Type, Decimal128Type, DurationMillisecondType, IntervalUnit, IntervalYearMonthType,
        Time32MillisecondType, TimeUnit,
    },
};
use formats::text::{push, push_number};
use model::{Batch, timestamp};
use values::datetime::{self, Fraction, Separator};

/// A value as Flink's `Row` prints it.
pub fn value_text(array: &dyn Array, row: usize) -> String {
    let mut out = Vec::new();
    push_value(&mut out, array, row);
    // Only text is pushed.
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends one row with its kind: `+I[1, a, null]`.
pub(super) fn push_row(out: &mut Vec<u8>, batch: &Batch, row: usize) {
    out.extend_from_slice(batch.kind(row).short().as_bytes());
    push_list(out, batch.columns().columns().iter().map(|column| (column.as_ref(), row)));
}

fn push_list<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = (&'a dyn Array, usize)>) {
    out.push(b'[');
    for (index, (array, row)) in items.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        push_value(out, array, row);
    }
    out.push(b']');
}

fn push_value(out: &mut Vec<u8>, array: &dyn Array, row: usize) {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    if let (Some(is_instant), Some(instant)) =
        (timestamp::is_instant(array.data_type()), timestamp::instant_at(array, row))
    {
        datetime::push_timestamp(out, instant, Separator::T, Fraction::Groups, !is_instant);
        if is_instant {
            out.push(b'Z');
        }
        return;
    }
    match array.data_type() {
        Arrow::Decimal128(..) => push(out, array.as_primitive::<Decimal128Type>().value_as_string(row)),
        Arrow::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        Arrow::Binary => push(out, format_args!("{:?}", array.as_binary::<i32>().value(row))),
        Arrow::Date32 => datetime::push_date(out, i64::from(array.as_primitive::<Date32Type>().value(row))),
        Arrow::Time32(TimeUnit::Millisecond) => {
            let millis = i64::from(array.as_primitive::<Time32MillisecondType>().value(row));
            datetime::push_time(out, millis / 1000, millis % 1000 * 1_000_000, Fraction::Groups, true);
        }
        Arrow::Duration(TimeUnit::Millisecond) => {
            push_duration(out, array.as_primitive::<DurationMillisecondType>().value(row));
        }
        Arrow::Interval(IntervalUnit::YearMonth) => {
            push_period(out, array.as_primitive::<IntervalYearMonthType>().value(row));
        }
        Arrow::Struct(_) => {
            out.extend_from_slice(b"+I");
            push_list(out, array.as_struct().columns().iter().map(|column| (column.as_ref(), row)));
        }
        Arrow::List(_) => {
            let items = array.as_list::<i32>().value(row);
            push_list(out, (0..items.len()).map(|item| (items.as_ref(), item)));
        }
        Arrow::Map(..) => {
            let entries = array.as_map().value(row);
            out.push(b'{');
            for entry in 0..entries.len() {
                if entry > 0 {
                    out.extend_from_slice(b", ");
                }
                push_value(out, entries.column(0).as_ref(), entry);
                out.push(b'=');
                push_value(out, entries.column(1).as_ref(), entry);
            }
            out.push(b'}');
        }
        _ if push_number(out, array, row) => {}
        other => push(out, format_args!("<{other}>")),
    }
}

/// As Java's `Duration`: `PT1H2M3.5S`.
fn push_duration(out: &mut Vec<u8>, millis: i64) {
    if millis == 0 {
        push(out, "PT0S");
        return;
    }
    let sign = if millis < 0 { "-" } else { "" };
    let size = millis.unsigned_abs();
    let (hours, minutes, seconds, rest) = (size / 3_600_000, size / 60_000 % 60, size / 1000 % 60, size % 1000);
    push(out, "PT");
    if hours > 0 {
        push(out, format_args!("{sign}{hours}H"));
    }
    if minutes > 0 {
        push(out, format_args!("{sign}{minutes}M"));
    }
    if rest > 0 {
        let fraction = format!("{rest:03}");
        push(out, format_args!("{sign}{seconds}.{}S", fraction.trim_end_matches('0')));
    } else if seconds > 0 {
        push(out, format_args!("{sign}{seconds}S"));
    }
}

/// As Java's `Period`: `P1Y2M`.
fn push_period(out: &mut Vec<u8>, months: i32) {
    let (years, rest) = (months / 12, months % 12);
    push(out, "P");
    if years != 0 {
        push(out, format_args!("{years}Y"));
    }
    if rest != 0 || years == 0 {
        push(out, format_args!("{rest}{}", if months == 0 { "D" } else { "M" }));
    }
}
