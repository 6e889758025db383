//! Accumulators that are not of the layout that folds or merges them: an error of class internal, never a wrong result.

use graph::operator::{AggregateCall, AggregateFunction};
use model::{DataType, ErrorClass, Failure, RowKind};

use super::{
    collected,
    rows::{self, D, F, K, Row, S, V, batch, call, calls, schema},
};
use crate::{
    accumulator::{Layout, Work},
    limits::Limits,
};

fn layout(call: &AggregateCall, retracts: bool) -> Layout {
    Layout::new(std::slice::from_ref(call), &schema(), retracts, false, Limits::small()).expect("a layout")
}

fn fold(layout: &Layout, work: &mut Work) -> Result<(), Failure> {
    let (text, flag) = (Some("text".to_owned()), Some(true));
    let numbers = Row { k: Some(1), v: Some(2), d: Some(3), f: Some(0.5), t: Some(4), ..Row::default() };
    let rows = batch(&[(RowKind::Insert, Row { g: text.clone(), s: text, flag, ..numbers })]);
    layout.fold(rows.columns(), None, &[0], work)
}

/// Accumulators of one group with a row.
fn folded(layout: &Layout) -> Work {
    let mut work = layout.fresh(1);
    fold(layout, &mut work).expect("folded");
    work
}

fn is_internal(result: Result<(), Failure>, what: &str) {
    let failure = result.expect_err(what);
    assert_eq!(failure.class, ErrorClass::Internal, "{what}: {failure}");
    assert!(failure.to_string().contains("does not fit its aggregate function"), "{what}: {failure}");
}

/// A call whose accumulator is of none of the kinds that other calls have.
fn stranger(of: &AggregateCall) -> AggregateCall {
    match of.function {
        AggregateFunction::Max | AggregateFunction::Min => call(AggregateFunction::Count, Some(V), DataType::BigInt),
        _ => call(AggregateFunction::Max, Some(S), DataType::String),
    }
}

#[test]
fn objects_of_another_kind_are_refused() {
    let mut tried = 0;
    for call in calls().iter().chain(&collected::calls()) {
        for retracts in [false, true] {
            let layout = layout(call, retracts);
            if layout.objects.len() != 1 {
                continue;
            }
            let mut other = stranger(call);
            other.distinct = matches!(other.function, AggregateFunction::Count);
            let strange = || self::layout(&other, false).fresh(1).objects;
            let what = format!("{call:?}");
            let mut work = layout.fresh(1);
            work.objects = strange();
            is_internal(fold(&layout, &mut work), &what);
            let (own, mut into) = (folded(&layout), folded(&layout));
            into.objects = strange();
            is_internal(layout.merge(&own, &mut into), &what);
            let (mut from, mut own) = (folded(&layout), folded(&layout));
            from.objects = strange();
            is_internal(layout.merge_into(&from, &[0], &mut own), &what);
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn arguments_of_another_form_are_refused() {
    use AggregateFunction::{Avg, Max, Min, Percentile, Sum, WelfordM2};
    let texts = layout(&call(Max, Some(S), DataType::String), false);
    let percentile = Percentile { percentages: vec![0.5] };
    for call in [
        call(Sum, Some(V), DataType::BigInt),
        call(Avg, Some(F), DataType::Double),
        call(Min, Some(K), DataType::BigInt),
        call(Max, Some(D), DataType::Decimal(10, 2)),
        call(WelfordM2, Some(F), DataType::Double),
        call(percentile, Some(V), DataType::Double),
    ] {
        let mut layout = layout(&call, false);
        layout.arguments.clone_from(&texts.arguments);
        is_internal(fold(&layout, &mut layout.fresh(1)), &format!("{call:?}"));
    }
}

#[test]
fn an_extreme_of_distinct_values_is_refused() {
    let mut distinct = call(AggregateFunction::Count, Some(V), DataType::BigInt);
    distinct.distinct = true;
    let mut layout = layout(&distinct, false);
    let work = folded(&layout);
    let cell = layout.cells.iter().position(|cell| layout.inputs[cell.input].distinct).expect("a count");
    let least = self::layout(&rows::call(AggregateFunction::Min, Some(V), DataType::BigInt), false);
    layout.cells[cell].kind = least.cells.last().expect("the least value").kind;
    is_internal(layout.merge(&work, &mut layout.fresh(1)), "MIN(DISTINCT v)");
}
