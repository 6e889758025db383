//! Rows per second of single operators on one thread: `throughput [rocksdb] [hot]`. With `hot` all rows have one key; the
//! rate should not fall with their number.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test panics, prints and waits as it likes"
)]

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use dataflow::{Clock, Flow, OpenContext, Operator, Output};
use graph::{
    ChangelogMode, Node, OperatorSpec,
    operator::{
        AggregateCall, AggregateFunction, GroupAggregateSpec, JoinSpec, SemiJoinSpec, WindowAggregateSpec,
        WindowJoinKind, WindowJoinSpec, WindowKind,
    },
};
use model::{Batch, DataType, Failure, Field, Schema, Watermark};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use settings::Settings;
use state::{Backend, KeyedStore, StoreOptions};
use storage::{Storage, StorageOptions};

const BATCH_ROWS: usize = 4096;

struct NoClock;

impl Clock for NoClock {
    fn now_ms(&self) -> i64 {
        0
    }
}

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::external(error.to_string()))?;
    let wants = |word: &str| std::env::args().any(|argument| argument == word);
    let backend = match wants("rocksdb") {
        true => Backend::RocksDb { directory: folder.path().to_owned(), cache_bytes: 512 << 20 },
        false => Backend::HashMap,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(error.to_string()))?;
    let open = |node: &Node, inputs: &[Schema]| -> Result<Box<dyn Operator>, Failure> {
        let options = StoreOptions { backend: backend.clone(), key_groups: 0..=127, max_parallelism: 128 };
        let store = KeyedStore::open(options, Vec::new(), Storage::new(StorageOptions::default()));
        let mut context = OpenContext {
            uid: node.uid.clone(),
            is_uid_derived: false,
            subtask: 0,
            parallelism: 1,
            max_parallelism: 128,
            settings: Arc::new(Settings::default()),
            clock: Arc::new(NoClock),
            restored: BTreeMap::new(),
            is_restored: false,
            splits: None,
            keyed: runtime.block_on(store)?,
        };
        operators::build(node, inputs, &mut context)
    };

    let input = bid_schema();
    if wants("hot") {
        for batches in [62, 125, 250] {
            measure_hot("semi join", open(&semi_join(&input), &[input.clone(), input.clone()])?, batches)?;
            measure_hot("window join", open(&window_join(&input), &[input.clone(), input.clone()])?, batches)?;
            measure_hot("join", open(&join(&input), &[input.clone(), input.clone()])?, batches)?;
        }
        return Ok(());
    }
    let bids = bids(1000);
    let node = q17(&input, false);
    measure("group aggregate, as q17, upsert", open(&node, std::slice::from_ref(&input))?, &bids)?;
    let node = q17(&input, true);
    measure("group aggregate, as q17, with -U", open(&node, std::slice::from_ref(&input))?, &bids)?;
    let node = distinct(&input);
    measure("group aggregate, as q16, 4 x count distinct", open(&node, std::slice::from_ref(&input))?, &bids)?;
    let node = tumble(&input);
    let keys = uniform(2000, 1_000_000);
    measure("tumble count, 1 M keys", open(&node, std::slice::from_ref(&input))?, &keys)?;
    let node = hop(&input);
    measure("hop count, 5 slices, recent keys", open(&node, std::slice::from_ref(&input))?, &bids)?;
    let node = join(&input);
    measure_join(open(&node, &[input.clone(), input])?, &bids)?;
    Ok(())
}

fn bid_schema() -> Schema {
    Schema::new(vec![
        Field::new("auction", DataType::BigInt),
        Field::new("day", DataType::String),
        Field::new("price", DataType::BigInt),
        Field::new("rank1", DataType::Boolean),
        Field::new("rank2", DataType::Boolean),
        Field::new("rank3", DataType::Boolean),
        Field::new("t", DataType::Timestamp(3)),
        Field::new("bidder", DataType::BigInt),
    ])
}

/// Bids as Nexmark's: half go to a hot auction, the others to one of the last hundred.
fn bids(batches: usize) -> Vec<Batch> {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut auction = move |n: i64| {
        let last = n * 3 / 46;
        1000 + if rng.random_bool(0.5) { last / 100 * 100 } else { (last - rng.random_range(0..100)).max(0) }
    };
    (0..batches).map(|batch| rows(batch, 100, &mut auction)).collect()
}

fn uniform(batches: usize, keys: i64) -> Vec<Batch> {
    let mut rng = SmallRng::seed_from_u64(1);
    (0..batches).map(|batch| rows(batch, 1000, &mut |_| rng.random_range(0..keys))).collect()
}

fn rows(batch: usize, rows_per_ms: i64, auction: &mut impl FnMut(i64) -> i64) -> Batch {
    let mut rng = SmallRng::seed_from_u64(batch as u64);
    let numbers: Vec<i64> = (0..BATCH_ROWS as i64).map(|row| (batch * BATCH_ROWS) as i64 + row).collect();
    let prices: Vec<i64> = numbers.iter().map(|_| 10f64.powf(rng.random_range(2.0..8.0)) as i64).collect();
    let between = |low: i64, high: i64| -> ArrayRef {
        Arc::new(prices.iter().map(|&price| Some(price >= low && price < high)).collect::<BooleanArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(numbers.iter().map(|&n| auction(n)).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values(numbers.iter().map(|_| "2026-11-22"))),
        Arc::new(Int64Array::from(prices.clone())),
        between(0, 10_000),
        between(10_000, 1_000_000),
        between(1_000_000, i64::MAX),
        Arc::new(TimestampMillisecondArray::from_iter_values(numbers.iter().map(|n| n / rows_per_ms))),
        Arc::new(numbers.iter().map(|n| n / 50 - rng.random_range(0..1000)).collect::<Int64Array>()),
    ];
    Batch::append(RecordBatch::try_new(bid_schema().to_arrow(), columns).expect("the columns fit"))
}

fn call(function: AggregateFunction, argument: Option<usize>, filter: Option<usize>) -> AggregateCall {
    let argument_type = argument.map_or(DataType::Null, |_| DataType::BigInt);
    let data_type = DataType::BigInt;
    AggregateCall { function, argument, second: None, filter, distinct: false, argument_type, data_type }
}

fn node(fields: Vec<Field>, operator: OperatorSpec) -> Node {
    Node {
        uid: "operator".to_owned(),
        name: "operator".to_owned(),
        parallelism: None,
        schema: Schema::new(fields),
        changelog: ChangelogMode::ALL,
        operator,
    }
}

fn grouped(input: &Schema, keys: &[usize], aggregates: Vec<AggregateCall>, emit_update_before: bool) -> Node {
    let keys_of = keys.iter().map(|&key| input.fields[key].clone());
    let results = (0..aggregates.len()).map(|index| Field::new(format!("a{index}"), DataType::BigInt));
    let fields = keys_of.chain(results).collect();
    let keys = keys.to_vec();
    let input = ChangelogMode::APPEND;
    node(
        fields,
        OperatorSpec::GroupAggregate(GroupAggregateSpec { keys, aggregates, input, emit_update_before, partial: None }),
    )
}

fn q17(input: &Schema, emit_update_before: bool) -> Node {
    use AggregateFunction::{Avg, Count, Max, Min, Sum};
    let aggregates = vec![
        call(Count, None, None),
        call(Count, None, Some(3)),
        call(Count, None, Some(4)),
        call(Count, None, Some(5)),
        call(Min, Some(2), None),
        call(Max, Some(2), None),
        call(Avg, Some(2), None),
        call(Sum, Some(2), None),
    ];
    grouped(input, &[0, 1], aggregates, emit_update_before)
}

fn distinct(input: &Schema) -> Node {
    let distinct =
        |argument, filter| AggregateCall { distinct: true, ..call(AggregateFunction::Count, Some(argument), filter) };
    let aggregates = vec![
        call(AggregateFunction::Count, None, None),
        distinct(7, None),
        distinct(7, Some(3)),
        distinct(7, Some(4)),
        distinct(0, None),
    ];
    grouped(input, &[1], aggregates, false)
}

fn windowed(input: &Schema, window: WindowKind) -> Node {
    let mut fields = vec![input.fields[0].clone(), Field::new("count", DataType::BigInt)];
    fields.extend(["start", "end", "time"].map(|name| Field::new(name, DataType::Timestamp(3))));
    let aggregates = vec![call(AggregateFunction::Count, None, None)];
    let spec = WindowAggregateSpec {
        keys: vec![0],
        aggregates,
        time: 6,
        window,
        zone: None,
        processing: false,
        input: ChangelogMode::APPEND,
        partial: None,
    };
    node(fields, OperatorSpec::WindowAggregate(spec))
}

fn tumble(input: &Schema) -> Node {
    windowed(input, WindowKind::Tumble { size: 4000, offset: 0 })
}

fn hop(input: &Schema) -> Node {
    windowed(input, WindowKind::Hop { size: 10_000, slide: 2000, offset: 0 })
}

fn join(input: &Schema) -> Node {
    let spec = JoinSpec {
        left_keys: vec![0],
        right_keys: vec![0],
        nulls_equal: false,
        condition: None,
        left_input: ChangelogMode::APPEND,
        right_input: ChangelogMode::APPEND,
        left_schema: input.clone(),
        right_schema: input.clone(),
    };
    node(input.fields.iter().chain(&input.fields).cloned().collect(), OperatorSpec::Join(spec))
}

fn semi_join(input: &Schema) -> Node {
    let spec = SemiJoinSpec {
        anti: false,
        left_keys: vec![0],
        right_keys: vec![0],
        nulls_equal: false,
        condition: None,
        left_input: ChangelogMode::ALL,
        right_input: ChangelogMode::ALL,
        left_schema: input.clone(),
        right_schema: input.clone(),
    };
    node(input.fields.clone(), OperatorSpec::SemiJoin(spec))
}

fn window_join(input: &Schema) -> Node {
    let spec = WindowJoinSpec {
        kind: WindowJoinKind::Inner,
        left_keys: vec![0, 6],
        right_keys: vec![0, 6],
        nulls_equal: false,
        left_end: 6,
        right_end: 6,
        zone: None,
        condition: None,
        left_schema: input.clone(),
        right_schema: input.clone(),
    };
    node(input.fields.iter().chain(&input.fields).cloned().collect(), OperatorSpec::WindowJoin(spec))
}

/// All rows come on the left, then one on the right.
fn measure_hot(name: &str, mut operator: Box<dyn Operator>, batches: usize) -> Result<(), Failure> {
    let batches: Vec<Batch> = (0..batches).map(|batch| rows(batch, i64::MAX, &mut |_| 1000)).collect();
    let started = Instant::now();
    let mut output = Output::default();
    for batch in &batches {
        let flow = operator.process(0, batch.clone(), &mut output)?;
        finish(operator.as_mut(), flow, &mut output)?;
    }
    let flow = operator.process(1, batches[0].slice(0, 1), &mut output)?;
    let mut emitted = finish(operator.as_mut(), flow, &mut output)?;
    let flow = operator.watermark(Watermark::MAX, &mut output)?;
    emitted += finish(operator.as_mut(), flow, &mut output)?;
    report(&format!("{name} of one key"), batches.len() * BATCH_ROWS, emitted, started);
    Ok(())
}

/// Counts what comes out of a call.
fn finish(operator: &mut dyn Operator, mut flow: Flow, output: &mut Output) -> Result<usize, Failure> {
    let mut rows = 0;
    loop {
        rows += output.take().iter().map(Batch::rows).sum::<usize>();
        match flow {
            Flow::Done => return Ok(rows),
            Flow::More => flow = operator.resume(output)?,
        }
    }
}

fn measure(name: &str, mut operator: Box<dyn Operator>, batches: &[Batch]) -> Result<(), Failure> {
    let started = Instant::now();
    let mut output = Output::default();
    let mut emitted = 0;
    for (index, batch) in batches.iter().enumerate() {
        let flow = operator.process(0, batch.clone(), &mut output)?;
        emitted += finish(operator.as_mut(), flow, &mut output)?;
        if index % 50 == 49 {
            let times = batch.column(6).as_any().downcast_ref::<TimestampMillisecondArray>();
            let watermark = times.map_or(0, |times| times.value(0));
            let flow = operator.watermark(Watermark(watermark), &mut output)?;
            emitted += finish(operator.as_mut(), flow, &mut output)?;
        }
    }
    let flow = operator.watermark(Watermark::MAX, &mut output)?;
    emitted += finish(operator.as_mut(), flow, &mut output)?;
    report(name, batches.len() * BATCH_ROWS, emitted, started);
    Ok(())
}

/// Bids joined with auctions: one row for each auction on the left.
fn measure_join(mut operator: Box<dyn Operator>, batches: &[Batch]) -> Result<(), Failure> {
    let auctions: Vec<Batch> =
        (0..batches.len() * 3 / 46 + 1).map(|batch| rows(batch, 100, &mut |n| 1000 + n)).collect();
    let started = Instant::now();
    let mut output = Output::default();
    let mut emitted = 0;
    for (index, batch) in batches.iter().enumerate() {
        if index % 15 == 0 && index / 15 < auctions.len() {
            let flow = operator.process(0, auctions[index / 15].clone(), &mut output)?;
            emitted += finish(operator.as_mut(), flow, &mut output)?;
        }
        let flow = operator.process(1, batch.clone(), &mut output)?;
        emitted += finish(operator.as_mut(), flow, &mut output)?;
    }
    report("join of bids with auctions", batches.len() * BATCH_ROWS, emitted, started);
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its result")]
fn report(name: &str, rows: usize, emitted: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{name}: {:.2} M rows/s ({rows} rows in {seconds:.2} s, {emitted} out)", rows as f64 / seconds / 1e6);
}
