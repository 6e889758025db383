//! Fetching ahead: a task on the shared runtime sends what it reads of a file. If it dies, the reader fails too.

use model::Failure;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

/// What a task fetches of a file, in order.
pub(super) struct Fetch<T> {
    file: String,
    items: mpsc::Receiver<T>,
    task: JoinHandle<Result<(), Failure>>,
    /// What became of the task, once that is known.
    outcome: Option<Result<(), Failure>>,
}

impl<T> Drop for Fetch<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T> Fetch<T> {
    /// Starts to fetch; at most `waiting_max` items wait to be taken.
    pub(super) fn start<F>(
        file: &str,
        waiting_max: usize,
        runtime: &Handle,
        fetch: impl FnOnce(mpsc::Sender<T>) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (sender, items) = mpsc::channel(waiting_max);
        Self { file: file.to_owned(), items, task: runtime.spawn(fetch(sender)), outcome: None }
    }

    /// Whether the next item is still to be waited for.
    pub(super) fn is_behind(&self) -> bool {
        self.items.is_empty() && !self.items.is_closed()
    }

    /// The next item; none at the end of the file. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Failure> {
        if let Some(item) = self.items.recv().await {
            return Ok(Some(item));
        }
        if self.outcome.is_none() {
            let ended = (&mut self.task).await;
            let died = |error| Err(Failure::internal(format!("{}: reading was cut short: {error}", self.file)));
            self.outcome = Some(ended.unwrap_or_else(died));
        }
        self.outcome.clone().unwrap_or(Ok(())).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_is_no_end_of_the_file() {
        let mut fetch = Fetch::start("dir/file", 1, &Handle::current(), async |sender: mpsc::Sender<u8>| {
            sender.send(1).await.map_err(|error| Failure::internal(error.to_string()))?;
            panic!("a byte that nobody expects");
        });
        assert_eq!(fetch.next().await, Ok(Some(1)));
        let failure = fetch.next().await.unwrap_err();
        assert_eq!(fetch.next().await.unwrap_err(), failure, "nor later");
        assert!(failure.message.starts_with("dir/file: reading was cut short: "), "{failure}");
        assert!(failure.message.contains("a byte that nobody expects"), "{failure}");
    }
}
