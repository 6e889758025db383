//! A way to a server on which connections break, as a seed has it: some are refused, some are cut after a while
//! (so that nobody knows what became of the last request), some are slow, some get an error of the server.

#![expect(clippy::disallowed_methods, reason = "drives processes")]

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng, rngs::StdRng};

const BUSY: &[u8] = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Good,
    Refused,
    /// Cut once so many bytes have come back.
    Cut(usize),
    /// Every piece comes so much later.
    Slow(Duration),
    Busy,
}

/// The proxy; it ends with the process.
pub struct Proxy {
    address: SocketAddr,
    is_calm: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
}

impl Proxy {
    /// Forwards to an address (`host:port`), faults drawn from `seed`.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(target: &str, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (is_calm, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        let (target, calm, count) = (target.to_owned(), Arc::clone(&is_calm), Arc::clone(&faults));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let fate = match random.lock() {
                    Ok(mut random) if !calm.load(Ordering::Relaxed) => fate(&mut random),
                    _ => Fate::Good,
                };
                if !matches!(fate, Fate::Good) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let target = target.clone();
                // A connection's end is told to both sides by closing it; there is nobody else to tell.
                std::thread::spawn(move || drop(serve(client, &target, fate)));
            }
        });
        Ok(Self { address, is_calm, faults })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, new connections are good.
    pub fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// Connections that were not good so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

fn fate(random: &mut StdRng) -> Fate {
    match random.random_range(0..10) {
        0..2 => Fate::Refused,
        2..6 => Fate::Cut(random.random_range(0..4000)),
        6 => Fate::Slow(Duration::from_millis(random.random_range(5..100))),
        7 => Fate::Busy,
        _ => Fate::Good,
    }
}

fn serve(mut client: TcpStream, target: &str, fate: Fate) -> Result<()> {
    match fate {
        Fate::Refused => return Ok(client.shutdown(Shutdown::Both)?),
        Fate::Busy => {
            let _head = client.read(&mut [0; 8192])?;
            return Ok(client.write_all(BUSY)?);
        }
        Fate::Good | Fate::Cut(_) | Fate::Slow(_) => {}
    }
    let server = TcpStream::connect(target).with_context(|| target.to_owned())?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || drop(copy(from_client, to_server, Fate::Good)));
    copy(server, client, fate)
}

fn copy(mut from: TcpStream, mut to: TcpStream, fate: Fate) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut left = if let Fate::Cut(bytes) = fate { bytes } else { usize::MAX };
    let result = loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(length) => length,
            Err(error) => break Err(error),
        };
        if let Fate::Slow(delay) = fate {
            std::thread::park_timeout(delay);
        }
        if let Err(error) = to.write_all(&buffer[..length.min(left)]) {
            break Err(error);
        }
        if length >= left {
            break Ok(());
        }
        left -= length;
    };
    // Either may be closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    Ok(result?)
}
