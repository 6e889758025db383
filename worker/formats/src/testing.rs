//! What tests of formats share: values as text, and properties with a seed.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType as Arrow, TimeUnit, TimestampMillisecondType},
    util::display::array_value_to_string,
};
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};

/// A value as text, nothing for null. Arrow knows no zones by name, so instants are shown without one.
pub(crate) fn shown(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        Arrow::Timestamp(TimeUnit::Millisecond, Some(_)) if array.is_valid(row) => {
            let instants = array.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(None::<String>);
            format!("{}Z", array_value_to_string(&instants, row).unwrap())
        }
        _ => array_value_to_string(array, row).unwrap(),
    }
}

/// Checks a property of many random values. A failure shows the seed; `PROPTEST_RNG_SEED=…` repeats it, and
/// `PROPTEST_CASES=…` tries more values.
pub(crate) fn check<S: Strategy>(values: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().build_hasher().finish(),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    if let Err(error) = TestRunner::new(config).run(values, property) {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}
