//! A part file being written: encoded here, uploaded to its staging name on the shared runtime.

use bytes::Bytes;
use formats::Encoder;
use model::{Batch, Failure};
use storage::Storage;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use super::commit::StagedFile;

/// Bytes that are uploaded at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that wait to be uploaded.
const CHUNKS_WAITING_MAX: usize = 2;

enum Message {
    Write(Bytes),
    Finish,
}

/// A part file that is open.
pub(super) struct Part {
    file: StagedFile,
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
    written: u64,
    opened_ms: i64,
    sender: mpsc::Sender<Message>,
    upload: JoinHandle<Result<(), Failure>>,
}

impl Part {
    /// Opens a file at a time of the clock.
    pub(super) fn open(
        file: StagedFile,
        encoder: Box<dyn Encoder>,
        opened_ms: i64,
        storage: &Storage,
        runtime: &Handle,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
        let upload = runtime.spawn(upload(storage.clone(), file.staged.clone(), receiver));
        Self { file, encoder, buffer: Vec::new(), written: 0, opened_ms, sender, upload }
    }

    /// Bytes encoded so far.
    pub(super) fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// How long it has been open, in milliseconds.
    pub(super) fn age_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(now_ms - self.opened_ms).unwrap_or(0)
    }

    pub(super) async fn write(&mut self, rows: &Batch) -> Result<(), Failure> {
        self.encoder.encode(rows, &mut self.buffer).map_err(|failure| failure.at(&self.file.target))?;
        if self.buffer.len() >= CHUNK_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.written += chunk.len() as u64;
        if self.sender.send(Message::Write(chunk)).await.is_err() {
            return Err(self.failure().await);
        }
        Ok(())
    }

    /// How the upload ended.
    async fn outcome(&mut self) -> Result<(), Failure> {
        let ended = (&mut self.upload).await;
        ended.unwrap_or_else(|error| Err(Failure::internal(format!("{}: {error}", self.file.staged))))
    }

    /// Why the upload ended before it was told to.
    async fn failure(&mut self) -> Failure {
        match self.outcome().await {
            Ok(()) => Failure::internal(format!("{}: the upload ended early", self.file.staged)),
            Err(failure) => failure,
        }
    }

    /// Ends the file and makes it durable under its staging name.
    pub(super) async fn close(mut self) -> Result<StagedFile, Failure> {
        self.encoder.finish(&mut self.buffer).map_err(|failure| failure.at(&self.file.target))?;
        self.send().await?;
        if self.sender.send(Message::Finish).await.is_err() {
            return Err(self.failure().await);
        }
        self.outcome().await.map(|()| self.file)
    }
}

async fn upload(storage: Storage, uri: String, mut chunks: mpsc::Receiver<Message>) -> Result<(), Failure> {
    let mut writer = storage.writer(&uri).await?;
    while let Some(message) = chunks.recv().await {
        match message {
            Message::Write(chunk) => writer.write(chunk).await?,
            Message::Finish => return writer.finish().await.map(drop),
        }
    }
    // The sink is gone: nothing of the file is wanted.
    writer.abort().await
}
