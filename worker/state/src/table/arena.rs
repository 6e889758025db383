//! The entries in memory: chunks of them, each shared with the snapshots that still need it and copied on write.

use std::{mem, sync::Arc};

use super::EntryId;

/// Entries in a chunk. Small, since after a snapshot the first write to a chunk copies all of it.
const CHUNK_ENTRIES: usize = 128;
const CHUNK_BITS: u32 = CHUNK_ENTRIES.trailing_zeros();
const KEY_INLINE_MAX: usize = 22;

/// The slot is free.
const VACANT: u8 = 1;
/// Changed since it was last written to the database.
pub(crate) const DIRTY: u8 = 2;
/// Used since the eviction last looked at it.
pub(crate) const REFERENCED: u8 = 4;
/// The database has a value for the key.
pub(crate) const PERSISTED: u8 = 8;

/// An encoded key; most fit inline.
#[derive(Clone)]
pub(crate) enum Key {
    Inline { len: u8, bytes: [u8; KEY_INLINE_MAX] },
    Heap(Box<[u8]>),
}

impl Key {
    fn new(key: &[u8]) -> Self {
        if key.len() > KEY_INLINE_MAX {
            return Self::Heap(key.into());
        }
        let mut bytes = [0; KEY_INLINE_MAX];
        bytes[..key.len()].copy_from_slice(key);
        Self::Inline { len: key.len() as u8, bytes }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }

    /// Memory that the key takes outside its entry.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(bytes) => bytes.len(),
        }
    }
}

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Entry<V> {
    pub(crate) key: Key,
    pub(crate) value: Option<V>,
    /// What the entry counts for in the cache's budget.
    pub(crate) bytes: u32,
}

impl<V> Entry<V> {
    fn new(key: &[u8]) -> Self {
        Self { key: Key::new(key), value: None, bytes: 0 }
    }
}

/// Some entries of one namespace. Free slots have no value.
#[derive(Clone)]
pub(crate) struct Chunk<V> {
    pub(crate) namespace: i64,
    pub(crate) entries: Vec<Entry<V>>,
}

enum Body<V> {
    Free,
    Owned(Chunk<V>),
    /// A snapshot may be reading it.
    Shared(Arc<Chunk<V>>),
}

/// A chunk and what only the table needs of it.
struct Cell<V> {
    body: Body<V>,
    /// For each entry. Kept apart, so that marking entries does not copy a shared chunk.
    flags: Vec<u8>,
    vacant: Vec<u8>,
}

impl<V> Cell<V> {
    fn new(body: Body<V>, flags: Vec<u8>) -> Self {
        Self { body, flags, vacant: Vec::new() }
    }

    #[inline]
    fn chunk(&self) -> Option<&Chunk<V>> {
        match &self.body {
            Body::Free => None,
            Body::Owned(chunk) => Some(chunk),
            Body::Shared(chunk) => Some(chunk),
        }
    }

    fn has_room(&self) -> bool {
        self.flags.len() < CHUNK_ENTRIES || !self.vacant.is_empty()
    }
}

impl<V: Clone> Cell<V> {
    #[inline]
    fn chunk_mut(&mut self) -> &mut Chunk<V> {
        if matches!(self.body, Body::Shared(_)) {
            self.own();
        }
        match &mut self.body {
            Body::Owned(chunk) => chunk,
            Body::Free | Body::Shared(_) => unreachable!("an entry's chunk lives until the end of the batch"),
        }
    }

    #[cold]
    fn own(&mut self) {
        if let Body::Shared(chunk) = mem::replace(&mut self.body, Body::Free) {
            self.body = Body::Owned(Arc::unwrap_or_clone(chunk));
        }
    }

    /// The chunk, to be read by others from here on.
    fn share(&mut self) -> Option<Arc<Chunk<V>>> {
        self.body = match mem::replace(&mut self.body, Body::Free) {
            Body::Owned(chunk) => Body::Shared(Arc::new(chunk)),
            other => other,
        };
        match &self.body {
            Body::Shared(chunk) => Some(Arc::clone(chunk)),
            _ => None,
        }
    }
}

/// The chunks that belong to one namespace.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    all: Vec<u32>,
    /// Those that may have room. Some numbers may be out of date.
    open: Vec<u32>,
}

impl Chunks {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// All chunks of a table.
pub(crate) struct Arena<V> {
    cells: Vec<Cell<V>>,
    free: Vec<u32>,
}

impl<V> Default for Arena<V> {
    fn default() -> Self {
        Self { cells: Vec::new(), free: Vec::new() }
    }
}

#[inline]
fn split(entry: EntryId) -> (usize, usize) {
    ((entry.0 >> CHUNK_BITS) as usize, entry.0 as usize & (CHUNK_ENTRIES - 1))
}

#[inline]
fn entry_id(cell: usize, slot: usize) -> EntryId {
    EntryId(((cell as u32) << CHUNK_BITS) | slot as u32)
}

impl<V: Clone> Arena<V> {
    /// The entry, which must exist.
    #[inline]
    pub(crate) fn get(&self, entry: EntryId) -> &Entry<V> {
        let (cell, slot) = split(entry);
        &self.cells[cell].chunk().expect("an entry's chunk lives until the end of the batch").entries[slot]
    }

    /// The entry and its flags, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, entry: EntryId) -> (&mut Entry<V>, &mut u8) {
        let (cell, slot) = split(entry);
        let cell = &mut self.cells[cell];
        if matches!(cell.body, Body::Shared(_)) {
            cell.own();
        }
        match &mut cell.body {
            Body::Owned(chunk) => (&mut chunk.entries[slot], &mut cell.flags[slot]),
            Body::Free | Body::Shared(_) => unreachable!("an entry's chunk lives until the end of the batch"),
        }
    }

    /// The flags of an entry; `None` if it no longer exists.
    #[inline]
    pub(crate) fn flags(&self, entry: EntryId) -> Option<u8> {
        let (cell, slot) = split(entry);
        self.cells.get(cell)?.flags.get(slot).copied().filter(|flags| flags & VACANT == 0)
    }

    /// The flags of an entry that exists, to be changed.
    #[inline]
    pub(crate) fn flags_mut(&mut self, entry: EntryId) -> &mut u8 {
        let (cell, slot) = split(entry);
        &mut self.cells[cell].flags[slot]
    }

    /// The namespace of an entry that exists.
    pub(crate) fn namespace(&self, entry: EntryId) -> Option<i64> {
        self.cells.get(split(entry).0)?.chunk().map(|chunk| chunk.namespace)
    }

    /// Makes an entry without a value.
    pub(crate) fn allocate(&mut self, chunks: &mut Chunks, namespace: i64, key: &[u8]) -> EntryId {
        let at = self.cell_with_room(chunks, namespace);
        let cell = &mut self.cells[at];
        let entry = Entry::new(key);
        let slot = match cell.vacant.pop() {
            Some(slot) => {
                let slot = usize::from(slot);
                cell.chunk_mut().entries[slot] = entry;
                cell.flags[slot] = 0;
                slot
            }
            None => {
                cell.chunk_mut().entries.push(entry);
                cell.flags.push(0);
                cell.flags.len() - 1
            }
        };
        entry_id(at, slot)
    }

    fn cell_with_room(&mut self, chunks: &mut Chunks, namespace: i64) -> usize {
        while let Some(&at) = chunks.open.last() {
            let cell = self.cells.get(at as usize).filter(|cell| cell.has_room());
            if cell.and_then(Cell::chunk).is_some_and(|chunk| chunk.namespace == namespace) {
                return at as usize;
            }
            chunks.open.pop();
        }
        self.add(chunks, Cell::new(Body::Owned(Chunk { namespace, entries: Vec::new() }), Vec::new())) as usize
    }

    fn add(&mut self, chunks: &mut Chunks, cell: Cell<V>) -> u32 {
        let at = match self.free.pop() {
            Some(at) => {
                self.cells[at as usize] = cell;
                at
            }
            None => {
                self.cells.push(cell);
                (self.cells.len() - 1) as u32
            }
        };
        chunks.all.push(at);
        chunks.open.push(at);
        at
    }

    /// Frees an entry.
    pub(crate) fn vacate(&mut self, chunks: &mut Chunks, entry: EntryId) {
        let (at, slot) = split(entry);
        let cell = &mut self.cells[at];
        if !cell.has_room() {
            chunks.open.push(at as u32);
        }
        cell.flags[slot] = VACANT;
        cell.vacant.push(slot as u8);
        if cell.vacant.len() == cell.flags.len() {
            *cell = Cell::new(Body::Free, Vec::new());
            self.free.push(at as u32);
            chunks.all.retain(|&other| other as usize != at);
        } else {
            cell.chunk_mut().entries[slot] = Entry::new(&[]);
        }
    }

    /// Takes the last chunk of a namespace out of the arena, copying it if a snapshot still reads it.
    pub(crate) fn pop_chunk(&mut self, chunks: &mut Chunks) -> Option<Chunk<V>> {
        let at = chunks.all.pop()?;
        chunks.open.clear();
        self.free.push(at);
        match mem::replace(&mut self.cells[at as usize], Cell::new(Body::Free, Vec::new())).body {
            Body::Free => None,
            Body::Owned(chunk) => Some(chunk),
            Body::Shared(chunk) => Some(Arc::unwrap_or_clone(chunk)),
        }
    }

    /// Puts the rest of a chunk back that [`Self::pop_chunk`] took. All slots are in use.
    pub(crate) fn push_chunk(&mut self, chunks: &mut Chunks, chunk: Chunk<V>) {
        let flags = vec![DIRTY; chunk.entries.len()];
        self.add(chunks, Cell::new(Body::Owned(chunk), flags));
    }

    /// The entries of a namespace.
    pub(crate) fn entries<'a>(&'a self, chunks: &'a Chunks) -> impl Iterator<Item = (EntryId, &'a Entry<V>)> {
        chunks.all.iter().flat_map(|&at| {
            let cell = &self.cells[at as usize];
            let entries = cell.chunk().map_or(&[][..], |chunk| &chunk.entries).iter().zip(&cell.flags).enumerate();
            entries
                .filter(|(_, (_, flags))| **flags & VACANT == 0)
                .map(move |(slot, (entry, _))| (entry_id(at as usize, slot), entry))
        })
    }

    /// The ids of a namespace's entries.
    pub(crate) fn ids(&self, chunks: &Chunks) -> Vec<EntryId> {
        self.entries(chunks).map(|(id, _)| id).collect()
    }

    /// Number of cells.
    pub(crate) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The ids of the entries of one cell and their flags, to be changed.
    pub(crate) fn cell_flags(&mut self, at: usize) -> impl Iterator<Item = (EntryId, &mut u8)> {
        let flags = self.cells[at].flags.iter_mut().enumerate().filter(|(_, flags)| **flags & VACANT == 0);
        flags.map(move |(slot, flags)| (entry_id(at, slot), flags))
    }

    /// The chunk of one cell as it is now, shared from here on.
    pub(crate) fn share_cell(&mut self, at: usize) -> Option<Arc<Chunk<V>>> {
        self.cells[at].share()
    }

    /// All chunks as they are now. They are shared from here on, and copied when written to.
    pub(crate) fn share(&mut self) -> Vec<Arc<Chunk<V>>> {
        let mut shared = Vec::with_capacity(self.cells.len() - self.free.len());
        shared.extend(self.cells.iter_mut().filter_map(Cell::share));
        shared
    }
}
