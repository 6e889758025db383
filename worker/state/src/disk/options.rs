//! How RocksDB is set up. See `docs/decisions/0006-rocksdb-behind-a-cache.md`.

use std::{ops::RangeInclusive, sync::Arc};

use model::Failure;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, LogLevel, LruCacheOptions,
    Options, compaction_filter::Decision,
};

use super::{CATALOG_KEY, failure, split_key};
use crate::retention::Expiring;

const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Most lookups are of new keys.
const MEMTABLE_BLOOM_RATIO: f64 = 0.1;
/// Few threads use the cache, and small shards would hold few blocks each.
const CACHE_SHARD_BITS: i32 = 1;
/// By level: files of the first two are soon rewritten.
const COMPRESSION: [DBCompressionType; 7] = {
    let mut levels = [DBCompressionType::Lz4; 7];
    levels[0] = DBCompressionType::None;
    levels[1] = DBCompressionType::None;
    levels
};
/// A database that is closed is removed: what is not in its files yet need not be brought there.
const FORGETS: &str = "avoid_flush_during_shutdown=true";
/// RocksDB does not wait for compaction: where that fails, on a full disk, it would wait for ever. `Disk::write` waits.
const NEVER: i32 = i32::MAX;
const BACKGROUND_JOBS: i32 = 2;
const OPEN_FILES_MAX: i32 = 512;
const LOG_BYTES_MAX: usize = 1 << 20;
const WRITE_BUFFER_BYTES: RangeInclusive<usize> = 1 << 20..=64 << 20;

/// The options that only reading needs.
pub(super) fn read_options() -> Options {
    let mut options = Options::default();
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(1);
    options.set_max_log_file_size(LOG_BYTES_MAX);
    options
}

/// The options of a database for a slot with so much memory for it, of which a quarter goes to each of its own buffers.
pub(super) fn options(cache_bytes: usize) -> Result<Options, Failure> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    let mut cache = LruCacheOptions::default();
    cache.set_capacity(cache_bytes / 4);
    cache.set_num_shard_bits(CACHE_SHARD_BITS);
    blocks.set_block_cache(&Cache::new_lru_cache_opts(&cache));
    blocks.set_cache_index_and_filter_blocks(true);
    // A file can be as large as the state: its index and its filter are read and kept a part at a time.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = read_options().get_options_from_string(FORGETS).map_err(failure)?;
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    // Fewer rewrites than by level: less work, and less to upload for each checkpoint.
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_compression_per_level(&COMPRESSION);
    options.set_write_buffer_size((cache_bytes / 8).clamp(*WRITE_BUFFER_BYTES.start(), *WRITE_BUFFER_BYTES.end()));
    options.set_max_write_buffer_number(2);
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    options.set_level_zero_slowdown_writes_trigger(NEVER);
    options.set_level_zero_stop_writes_trigger(NEVER);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    Ok(options)
}

/// Lets compactions remove expired entries.
pub(super) fn leave_out_expired(options: &mut Options, expiring: Arc<Expiring>) {
    options.set_compaction_filter("expired", move |_level: u32, key: &[u8], value: &[u8]| {
        match split_key(key).filter(|_| key < CATALOG_KEY) {
            Some((_, table, ..)) if expiring.is_expired(table, value) => Decision::Remove,
            _ => Decision::Keep,
        }
    });
}
