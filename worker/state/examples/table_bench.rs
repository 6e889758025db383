//! Measures a table: nanoseconds for each key of hydrate, get_mut and end_batch, in batches of 4096 BIGINT keys.
//!
//! `table_bench [distinct keys] [hashmap|rocksdb] [cache MiB]`

#![allow(
    clippy::cast_possible_wrap,
    clippy::disallowed_methods,
    reason = "a test panics, prints and waits as it likes"
)]

use std::{path::PathBuf, sync::Arc, time::Instant};

use arrow::array::{ArrayRef, Int64Array};
use model::Failure;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use state::{Backend, EntryId, KeyedStore, StateValue, StoreOptions, Table};
use storage::{Storage, StorageOptions};

const BATCH_ROWS: usize = 4096;
const BATCHES: usize = 1000;

#[derive(Clone, Copy)]
struct Sum(i64);

impl StateValue for Sum {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bytes = bytes.try_into().map_err(|_| Failure::data("a sum has 8 bytes"))?;
        Ok(Self(i64::from_be_bytes(bytes)))
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

fn batch(keys: impl Iterator<Item = i64>) -> Result<model::row::Rows, Failure> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
    let rows = column.len();
    model::row::encode(&[column], rows)
}

fn fold(table: &mut Table<Sum>, keys: &model::row::Rows, entries: &mut Vec<EntryId>) -> Result<(), Failure> {
    entries.clear();
    table.hydrate(0, keys, None, entries)?;
    for &entry in entries.iter() {
        table.get_mut(entry).get_or_insert(Sum(0)).0 += 1;
    }
    table.end_batch()
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let distinct: i64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let backend = arguments.next().unwrap_or_else(|| "hashmap".to_owned());
    let cache: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1024);
    let directory: PathBuf = std::env::temp_dir();
    let options = StoreOptions {
        backend: match backend.as_str() {
            "rocksdb" => Backend::RocksDb { directory, cache_bytes: cache << 20 },
            _ => Backend::HashMap,
        },
        key_groups: 0..=127,
        max_parallelism: 128,
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::internal(error.to_string()))?;
    let storage = Storage::new(StorageOptions::default());
    let mut store = runtime.block_on(KeyedStore::open(options, Vec::new(), storage.clone()))?;
    let mut table: Table<Sum> = store.table("sums")?;
    let mut entries = Vec::new();
    for start in (0..distinct).step_by(BATCH_ROWS) {
        let keys = batch(start..(start + BATCH_ROWS as i64).min(distinct))?;
        fold(&mut table, &keys, &mut entries)?;
    }
    let mut random = SmallRng::seed_from_u64(1);
    let batches: Vec<_> = (0..64)
        .map(|_| batch((0..BATCH_ROWS).map(|_| random.random_range(0..distinct))))
        .collect::<Result<_, Failure>>()?;
    for round in 0..3 {
        let (begin, begin_processor) = (Instant::now(), processor_nanoseconds());
        for index in 0..BATCHES {
            fold(&mut table, &batches[index % batches.len()], &mut entries)?;
        }
        let a_key = |nanoseconds: u128| nanoseconds as f64 / (BATCHES * BATCH_ROWS) as f64;
        print_line(&format!(
            "{backend}, {distinct} keys, round {round}: {:.1} ns/key, {:.1} of them on the processor",
            a_key(begin.elapsed().as_nanos()),
            a_key(processor_nanoseconds() - begin_processor)
        ));
    }
    let begin = Instant::now();
    let part = table.snapshot()?;
    let pending = store.snapshot(vec![part], false)?;
    print_line(&format!("synchronous part of a snapshot: {:?}", begin.elapsed()));
    let begin = Instant::now();
    runtime.block_on(pending.write(&storage, "memory://bench/one", "memory://bench/shared", 1))?;
    print_line(&format!("asynchronous part of a snapshot: {:?}", begin.elapsed()));
    Ok(())
}

/// Time this thread was on a processor, where the system tells (Linux): a busy machine does not blur it.
fn processor_nanoseconds() -> u128 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    statistics.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn print_line(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
