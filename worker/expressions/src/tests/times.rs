//! Times in zones, far from 1970, and of all precisions.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{Int64Type, TimestampMillisecondType},
};
use graph::{Expr, Value};
use model::{DataType, Field, Schema};

use super::{convert, schema_of, table};
use crate::Evaluator;

#[test]
fn instants_are_rounded_with_their_own_offset() {
    let text = |text: &str| Expr::Literal { value: Value::String(text.to_owned()), data_type: DataType::String };
    let batch = table();
    let rounded = |function: &str, unit: &str, zone: &str, millis: i64| {
        let instant = Expr::Literal { value: Value::Integer(millis), data_type: DataType::TimestampLtz(3) };
        let call = Expr::call(function, vec![instant, text(unit), text(zone)], DataType::TimestampLtz(3));
        let array = Evaluator::compile(&call, &schema_of(&batch)).unwrap().evaluate(&batch).unwrap();
        array.as_primitive::<TimestampMillisecondType>().value(0)
    };
    // The clock is set back from 2:00 to 1:00 at 1699174800000.
    let (zone, back) = ("America/Los_Angeles", 1_699_174_800_000);
    let (hour, minute) = (3_600_000, 60_000);
    for (function, unit, millis, expected) in [
        (crate::FLOOR_IN_ZONE, "HOUR", back - 1, back - hour),
        (crate::FLOOR_IN_ZONE, "HOUR", back, back),
        (crate::FLOOR_IN_ZONE, "HOUR", back + hour - 1, back),
        (crate::CEIL_IN_ZONE, "HOUR", back - 1, back),
        (crate::CEIL_IN_ZONE, "HOUR", back + 1, back + hour),
        (crate::FLOOR_IN_ZONE, "MINUTE", back + minute + 1, back + minute),
        (crate::CEIL_IN_ZONE, "MINUTE", back - minute - 1, back - minute),
        (crate::FLOOR_IN_ZONE, "SECOND", back - 1, back - 1000),
        // The day began at 0:00, with the offset that the morning had; Flink takes the instant's.
        (crate::FLOOR_IN_ZONE, "DAY", back - 1, back - 2 * hour),
        (crate::FLOOR_IN_ZONE, "DAY", back, back - hour),
    ] {
        assert_eq!(rounded(function, unit, zone, millis), expected, "{function} to {unit} of {millis}");
    }
    // Half an hour behind the whole hours elsewhere.
    assert_eq!(rounded(crate::FLOOR_IN_ZONE, "HOUR", "Asia/Kolkata", hour - 1), -hour / 2 + hour);
}

#[test]
fn texts_with_local_times_are_of_the_later_of_two_instants() {
    let text = |text: &str| Expr::Literal { value: Value::String(text.to_owned()), data_type: DataType::String };
    let batch = table();
    for (local, expected) in [
        ("2023-11-05 01:30:00", 1_699_176_600),
        ("2023-11-05 00:59:59", 1_699_171_199),
        ("2023-03-12 02:30:00", 1_678_617_000),
        ("no time", i64::MIN),
    ] {
        let args = vec![text(local), text("yyyy-MM-dd HH:mm:ss"), text("America/Los_Angeles")];
        let call = Expr::call(crate::UNIX_TIMESTAMP_IN_ZONE, args, DataType::BigInt);
        let array = Evaluator::compile(&call, &schema_of(&batch)).unwrap().evaluate(&batch).unwrap();
        assert_eq!(array.as_primitive::<Int64Type>().value(0), expected, "{local}");
    }
}

/// The first moment of the year 1, the last one of the year 9999, and others.
const FAR: [&str; 5] = [
    "0001-01-01 00:00:00.000000001",
    "9999-12-31 23:59:59.999999999",
    "1677-09-21 00:12:43.145224191",
    "2262-04-11 23:47:16.854775808",
    "1969-12-31 23:59:59.123456789",
];

/// What a text has with so many digits of fraction.
fn cut(text: &str, digits: u8) -> String {
    match digits {
        0 => text[..19].to_owned(),
        digits => text[..20 + usize::from(digits)].to_owned(),
    }
}

fn texts(array: ArrayRef, of: &DataType) -> Vec<String> {
    let written = convert(array, of, &DataType::String).unwrap();
    written.as_string::<i32>().iter().map(|text| text.unwrap_or("null").to_owned()).collect()
}

fn far(of: &DataType) -> ArrayRef {
    convert(Arc::new(StringArray::from(FAR.to_vec())), &DataType::String, of).unwrap()
}

#[test]
fn casts_between_precisions_keep_the_value() {
    let types = |precision| [DataType::Timestamp(precision), DataType::TimestampLtz(precision)];
    for from in (0..=9).flat_map(types) {
        for to in (0..=9).flat_map(types) {
            let digits = |of: &DataType| match of {
                DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => *precision,
                _ => 0,
            };
            let cast = if from == to { far(&from) } else { convert(far(&from), &from, &to).unwrap() };
            let kept = |text: &&str| {
                let zeros = "0".repeat(usize::from(digits(&to).saturating_sub(digits(&from))));
                let known = cut(text, digits(&from).min(digits(&to)));
                if digits(&from) == 0 && digits(&to) > 0 { format!("{known}.{zeros}") } else { known + &zeros }
            };
            assert_eq!(texts(cast, &to), FAR.iter().map(kept).collect::<Vec<_>>(), "{from} to {to}");
        }
    }
}

/// The value of an expression over the column `t`.
fn of_far(of: &DataType, expr: &Expr) -> Vec<String> {
    let schema = Schema::new(vec![Field::new("t", of.clone())]);
    let batch = RecordBatch::try_new(schema.to_arrow(), vec![far(of)]).unwrap();
    let evaluator = Evaluator::compile(expr, &schema).unwrap();
    let array = evaluator.evaluate(&batch).unwrap();
    assert_eq!(*array.data_type(), evaluator.data_type().to_arrow());
    texts(array, evaluator.data_type())
}

#[test]
fn functions_of_nanoseconds_keep_them() {
    let text = |text: &str| Expr::Literal { value: Value::String(text.to_owned()), data_type: DataType::String };
    let integer = |value: i64, data_type| Expr::Literal { value: Value::Integer(value), data_type };
    let column = || Expr::Column(0);
    let of = DataType::Timestamp(9);
    let same: Vec<&str> = FAR.to_vec();

    let there = Expr::call(crate::TO_INSTANT, vec![column(), text("Asia/Tokyo")], DataType::TimestampLtz(9));
    let back = Expr::call(crate::TO_LOCAL, vec![there, text("Asia/Tokyo")], of.clone());
    assert_eq!(of_far(&of, &back), same);

    let day = |count| integer(count, DataType::Int);
    let later = Expr::call("TIMESTAMPADD", vec![text("DAY"), day(1), column()], of.clone());
    let same_again = Expr::call("TIMESTAMPADD", vec![text("DAY"), day(-1), later], of.clone());
    assert_eq!(of_far(&of, &same_again), same);

    let month = integer(12, DataType::IntervalYearMonth);
    let year_before = Expr::call("-", vec![column(), month], of.clone());
    assert_eq!(of_far(&of, &year_before)[1], "9998-12-31 23:59:59.999999999");

    let hour = Expr::call("FLOOR", vec![column(), text("HOUR")], of.clone());
    let expected = FAR.map(|text| format!("{}:00:00.000000000", &text[..13]));
    assert_eq!(of_far(&of, &hour), expected);

    let nanos = Expr::call("EXTRACT", vec![text("NANOSECOND"), column()], DataType::BigInt);
    assert_eq!(of_far(&of, &nanos)[1], "999999999");

    let millis = || Expr::Cast { of: Box::new(column()), to: DataType::Timestamp(3), safe: false };
    for (sign, expected) in [("<", false), (">=", true), ("=", false)] {
        let compared = Expr::call(sign, vec![column(), millis()], DataType::Boolean);
        let expected = vec![if expected { "TRUE" } else { "FALSE" }; FAR.len()];
        assert_eq!(of_far(&of, &compared), expected, "{sign}");
    }
    let either = Expr::call("COALESCE", vec![millis(), column()], of.clone());
    let expected = FAR.map(|text| format!("{}000000", cut(text, 3)));
    assert_eq!(of_far(&of, &either), expected);
}
