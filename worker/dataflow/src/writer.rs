//! The output of a task over one edge: rows are partitioned, small pieces collected, and sent down the channels.

#![expect(clippy::cast_possible_truncation, reason = "counts are bounded by a batch, times by 292 million years")]

use std::{sync::Arc, time::Duration};

use arrow::array::{ArrayRef, UInt32Array};
use graph::Partitioning;
use model::{
    Batch, Failure,
    batch::{BYTES_TARGET, ROWS_TARGET},
    key, row,
};

use crate::{ChannelSender, Element};

/// Pieces at least this large are sent as they are: collecting them would copy more than it saves.
const ROWS_WORTH_SENDING: usize = ROWS_TARGET / 4;

/// Sends one task's output over one edge.
pub struct EdgeWriter {
    partitioning: Partitioning,
    max_parallelism: u32,
    channels: Vec<Target>,
    /// The next channel of a rebalance.
    next: usize,
}

struct Target {
    channel: ChannelSender,
    collected: Vec<Batch>,
    rows: usize,
    bytes: usize,
    waited: Duration,
}

impl EdgeWriter {
    /// A writer of `subtask` to the consumer's subtasks in order. With [`Partitioning::Forward`] there is one channel.
    pub fn new(partitioning: Partitioning, subtask: usize, max_parallelism: u32, channels: Vec<ChannelSender>) -> Self {
        let channels = channels
            .into_iter()
            .map(|channel| Target { channel, collected: Vec::new(), rows: 0, bytes: 0, waited: Duration::ZERO })
            .collect();
        Self { partitioning, max_parallelism, channels, next: subtask }
    }

    /// Sends rows, waiting for room.
    ///
    /// # Errors
    /// If a key column cannot be encoded.
    pub async fn write(&mut self, batch: Batch) -> Result<(), Failure> {
        match &self.partitioning {
            Partitioning::Forward | Partitioning::Global => self.channels[0].add(batch).await,
            Partitioning::Broadcast => {
                for target in &mut self.channels {
                    target.add(batch.clone()).await?;
                }
                Ok(())
            }
            Partitioning::Rebalance => {
                let target = self.next % self.channels.len();
                self.next = target + 1;
                self.channels[target].add(batch).await
            }
            Partitioning::Hash(_) if self.channels.len() == 1 => self.channels[0].add(batch).await,
            Partitioning::Hash(columns) => {
                let keys: Vec<ArrayRef> = columns.iter().map(|&column| Arc::clone(batch.column(column))).collect();
                let pieces = scatter(&batch, &keys, self.max_parallelism, self.channels.len())?;
                for (target, piece) in self.channels.iter_mut().zip(pieces) {
                    if let Some(piece) = piece {
                        target.add(piece).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Sends what was collected.
    ///
    /// # Errors
    /// If pieces cannot be put together.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        for target in &mut self.channels {
            target.flush().await?;
        }
        Ok(())
    }

    /// Whether rows wait to be sent.
    pub fn has_collected(&self) -> bool {
        self.channels.iter().any(|target| target.rows > 0)
    }

    /// Sends a control element to every channel, after the rows before it.
    ///
    /// # Errors
    /// As [`EdgeWriter::flush`].
    pub async fn broadcast(&mut self, element: Element) -> Result<(), Failure> {
        self.flush().await?;
        for target in &self.channels {
            target.channel.push(element.clone());
        }
        Ok(())
    }

    /// Takes the time spent waiting for room.
    pub fn take_waited(&mut self) -> Duration {
        self.channels.iter_mut().map(|target| std::mem::take(&mut target.waited)).sum()
    }
}

impl Target {
    async fn add(&mut self, batch: Batch) -> Result<(), Failure> {
        if self.rows == 0 && batch.rows() >= ROWS_WORTH_SENDING {
            self.waited += self.channel.send(Element::Batch(batch)).await;
            return Ok(());
        }
        self.rows += batch.rows();
        self.bytes += batch.size_bytes();
        self.collected.push(batch);
        if self.rows >= ROWS_TARGET || self.bytes >= BYTES_TARGET { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let collected = std::mem::take(&mut self.collected);
        (self.rows, self.bytes) = (0, 0);
        let batch = match collected.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            many => Batch::concat(&many[0].schema(), many)?,
        };
        self.waited += self.channel.send(Element::Batch(batch)).await;
        Ok(())
    }
}

/// Splits a batch by the key groups of its keys: a counting sort, so at most one gathered batch for each target.
fn scatter(
    batch: &Batch,
    keys: &[ArrayRef],
    max_parallelism: u32,
    targets: usize,
) -> Result<Vec<Option<Batch>>, Failure> {
    let rows = row::encode(keys, batch.rows())?;
    let owner: Vec<u32> = rows
        .iter()
        .map(|key| key::subtask_of(key::key_group(key::hash(key), max_parallelism), targets as u32, max_parallelism))
        .collect();
    let mut ends = vec![0usize; targets];
    for &target in &owner {
        ends[target as usize] += 1;
    }
    let mut end = 0;
    for count in &mut ends {
        let start = end;
        end += *count;
        *count = start;
    }
    let starts = ends.clone();
    let mut indices = vec![0u32; owner.len()];
    for (row, &target) in owner.iter().enumerate() {
        indices[ends[target as usize]] = row as u32;
        ends[target as usize] += 1;
    }
    let indices = UInt32Array::from(indices);
    starts
        .into_iter()
        .zip(ends)
        .map(|(start, end)| match end - start {
            0 => Ok(None),
            all if all == batch.rows() => Ok(Some(batch.clone())),
            count => batch.take(&indices.slice(start, count)).map(Some),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[tokio::test]
    async fn a_broadcast_edge_gives_every_row_to_every_subtask_in_order() {
        let arrived = Arc::new(tokio::sync::Notify::new());
        let open = |_| crate::channel(1 << 20, Arc::clone(&arrived), None);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(open).unzip();
        let mut writer = EdgeWriter::new(Partitioning::Broadcast, 1, 128, senders);
        let batch = |range: std::ops::Range<i64>| {
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
            Batch::append(RecordBatch::try_from_iter([("n", values)]).expect("a column"))
        };
        for range in [0..10, 10..5000, 5000..5001] {
            writer.write(batch(range)).await.expect("room");
        }
        writer.broadcast(Element::End).await.expect("room");
        for receiver in receivers {
            let mut values = Vec::new();
            while let Some(Element::Batch(batch)) = receiver.pop() {
                values.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
            }
            assert!(values.into_iter().eq(0..5001));
        }
    }

    #[tokio::test]
    async fn a_full_channel_holds_its_writer_back_until_rows_are_taken() {
        let arrived = Arc::new(tokio::sync::Notify::new());
        let (sender, receiver) = crate::channel(1000, Arc::clone(&arrived), None);
        let mut writer = EdgeWriter::new(Partitioning::Forward, 0, 128, vec![sender]);
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2000));
        let batch = Batch::append(RecordBatch::try_from_iter([("n", values)]).expect("a column"));
        writer.write(batch.clone()).await.expect("room");
        let waiting = tokio::spawn(async move {
            writer.write(batch).await.expect("room");
            writer.take_waited()
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished(), "there is no room");
        assert!(matches!(receiver.pop(), Some(Element::Batch(_))));
        waiting.await.expect("the writer goes on");
        assert!(matches!(receiver.pop(), Some(Element::Batch(_))));
    }

    #[test]
    fn every_row_goes_to_the_owner_of_its_key_group_in_order() {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1000).map(|value| value % 37)));
        let order: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch =
            Batch::append(RecordBatch::try_from_iter([("key", Arc::clone(&values)), ("at", order)]).expect("columns"));
        let pieces = scatter(&batch, &[values], 128, 3).expect("keys");
        assert_eq!(pieces.iter().flatten().map(Batch::rows).sum::<usize>(), 1000);
        for (target, piece) in pieces.iter().enumerate() {
            let Some(piece) = piece else { continue };
            let keys = row::encode(&[Arc::clone(piece.column(0))], piece.rows()).expect("keys");
            for key in keys.iter() {
                assert_eq!(key::subtask_of(key::key_group(key::hash(key), 128), 3, 128), target as u32);
            }
            assert!(piece.column(1).as_primitive::<Int64Type>().values().is_sorted());
        }
    }
}
