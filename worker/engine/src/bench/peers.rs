//! What other engines reach with the same queries on the same kind of machine: 2 cores, 3 million events.

/// Thousands of events a second of one query; none where it was not measured.
#[derive(Debug)]
pub(super) struct Peers {
    query: &'static str,
    /// Apache Flink 2.3, SQL, parallelism 2, RocksDB with incremental checkpoints, mini-batch.
    pub(super) flink: Option<u32>,
    /// Feldera's DBSP, circuits written in Rust, 2 workers, no checkpoints, in memory.
    pub(super) dbsp_memory: Option<u32>,
    /// As before, with batches over 1 MB on disk.
    pub(super) dbsp_disk: Option<u32>,
}

/// Thousands of events a second of Apache Flink 2.3 from 1 million events as JSON lines, 334 MB, otherwise as above.
pub(super) fn flink_from_json(query: &str) -> Option<u32> {
    FLINK_FROM_JSON.iter().find(|(known, _)| *known == query).map(|(_, thousands)| *thousands)
}

const FLINK_FROM_JSON: &[(&str, u32)] = &[("q0", 92), ("q2", 91), ("q5", 41), ("q8", 85), ("q17", 74), ("q21", 53)];

/// The figures of a query.
pub(super) fn of(query: &str) -> Option<&'static Peers> {
    PEERS.iter().find(|peers| peers.query == query)
}

const fn peers(query: &'static str, flink: u32, dbsp_memory: Option<u32>, dbsp_disk: Option<u32>) -> Peers {
    Peers { query, flink: Some(flink), dbsp_memory, dbsp_disk }
}

const PEERS: &[Peers] = &[
    peers("q0", 296, Some(871), None),
    peers("q1", 336, Some(680), None),
    peers("q2", 341, Some(820), None),
    peers("q3", 207, Some(728), Some(761)),
    peers("q4", 55, Some(565), Some(615)),
    peers("q5", 77, Some(756), Some(664)),
    peers("q7", 42, Some(541), Some(527)),
    peers("q8", 199, Some(789), Some(976)),
    peers("q9", 27, Some(227), Some(218)),
    peers("q11", 48, None, None),
    peers("q12", 170, Some(783), None),
    peers("q14", 256, Some(796), None),
    peers("q15", 88, Some(372), Some(423)),
    peers("q16", 23, Some(183), Some(198)),
    peers("q17", 182, Some(329), Some(331)),
    peers("q18", 104, Some(427), Some(368)),
    peers("q19", 85, Some(383), Some(333)),
    peers("q20", 41, Some(499), Some(403)),
    peers("q21", 154, Some(781), None),
    peers("q22", 211, Some(781), None),
];
