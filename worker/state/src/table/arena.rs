//! The entries in memory: chunks of them, each shared with the snapshots that still need it and copied on write.

#![expect(clippy::cast_possible_truncation, reason = "sizes are checked when a file is written and when it is read")]

use std::{mem, sync::Arc};

use super::EntryId;

/// Entries in a chunk. Small, since after a snapshot the first write to a chunk copies all of it.
pub(super) const CHUNK_ENTRIES: usize = 128;
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
    pub(crate) fn is(&self, key: &[u8]) -> bool {
        let own = self.bytes();
        match (own.len() == key.len(), own.first_chunk::<8>(), key.first_chunk::<8>()) {
            (false, ..) => false,
            // Two words that may overlap: what most keys are, without a call.
            (true, Some(own_head), Some(head)) if key.len() <= 16 => {
                own_head == head && own.last_chunk::<8>() == key.last_chunk::<8>()
            }
            _ => own == key,
        }
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
    /// When each was last changed; empty if the table's entries do not expire.
    pub(crate) stamps: Vec<i64>,
}

enum Cell<V> {
    Free,
    Owned(Chunk<V>),
    /// A snapshot may be reading it.
    Shared(Arc<Chunk<V>>),
}

impl<V> Cell<V> {
    #[inline]
    fn chunk(&self) -> Option<&Chunk<V>> {
        match self {
            Self::Free => None,
            Self::Owned(chunk) => Some(chunk),
            Self::Shared(chunk) => Some(chunk),
        }
    }
}

impl<V: Clone> Cell<V> {
    #[inline]
    fn chunk_mut(&mut self) -> &mut Chunk<V> {
        if matches!(self, Self::Shared(_)) {
            self.own();
        }
        match self {
            Self::Owned(chunk) => chunk,
            Self::Free | Self::Shared(_) => unreachable!("an entry's chunk lives until the end of the batch"),
        }
    }

    #[cold]
    fn own(&mut self) {
        if let Self::Shared(chunk) = mem::replace(self, Self::Free) {
            *self = Self::Owned(Arc::unwrap_or_clone(chunk));
        }
    }

    /// The chunk, to be read by others from here on.
    fn share(&mut self) -> Option<Arc<Chunk<V>>> {
        *self = match mem::replace(self, Self::Free) {
            Self::Owned(chunk) => Self::Shared(Arc::new(chunk)),
            other => other,
        };
        match self {
            Self::Shared(chunk) => Some(Arc::clone(chunk)),
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
    /// For each slot of each cell. Kept apart, so that marking entries does not copy a shared chunk.
    flags: Vec<u8>,
    /// For each cell, the free slots among its entries.
    vacant: Vec<Vec<u8>>,
    /// For each cell, its position among the chunks of its namespace.
    places: Vec<u32>,
    free: Vec<u32>,
    /// Whether entries have a time.
    timed: bool,
}

impl<V> Arena<V> {
    pub(crate) fn new(timed: bool) -> Self {
        Self { cells: Vec::new(), flags: Vec::new(), vacant: Vec::new(), places: Vec::new(), free: Vec::new(), timed }
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
    /// The entry or free slot; `None` if its chunk is gone.
    #[inline]
    pub(crate) fn find(&self, entry: EntryId) -> Option<&Entry<V>> {
        let (cell, slot) = split(entry);
        self.cells.get(cell)?.chunk()?.entries.get(slot)
    }

    /// The entry, which must exist.
    #[inline]
    #[expect(clippy::expect_used, reason = "the contract of an entry id")]
    pub(crate) fn get(&self, entry: EntryId) -> &Entry<V> {
        self.find(entry).expect("an entry's chunk lives until the end of the batch")
    }

    /// The entry and its flags, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, entry: EntryId) -> (&mut Entry<V>, &mut u8) {
        let (cell, slot) = split(entry);
        (&mut self.cells[cell].chunk_mut().entries[slot], &mut self.flags[entry.0 as usize])
    }

    /// Whether a snapshot may be reading the entry, so that all of its chunk is copied when it is changed.
    #[inline]
    pub(crate) fn is_shared(&self, entry: EntryId) -> bool {
        matches!(self.cells[split(entry).0], Cell::Shared(_))
    }

    /// The flags of an entry; `None` if it no longer exists.
    #[inline]
    pub(crate) fn flags(&self, entry: EntryId) -> Option<u8> {
        self.flags.get(entry.0 as usize).copied().filter(|flags| flags & VACANT == 0)
    }

    /// The flags of an entry that exists, to be changed.
    #[inline]
    pub(crate) fn flags_mut(&mut self, entry: EntryId) -> &mut u8 {
        &mut self.flags[entry.0 as usize]
    }

    /// When an entry that exists was last changed.
    #[inline]
    pub(crate) fn stamp(&self, entry: EntryId) -> i64 {
        let (cell, slot) = split(entry);
        let chunk = self.cells[cell].chunk();
        chunk.and_then(|chunk| chunk.stamps.get(slot)).copied().unwrap_or(i64::MIN)
    }

    /// Notes when an entry was last changed.
    #[inline]
    pub(crate) fn set_stamp(&mut self, entry: EntryId, stamp: i64) {
        let (cell, slot) = split(entry);
        if let Some(known) = self.cells[cell].chunk_mut().stamps.get_mut(slot) {
            *known = stamp;
        }
    }

    /// Appends the entries of one cell that were last changed at `horizon` or before.
    pub(crate) fn expired(&self, cell: usize, horizon: i64, ids: &mut Vec<EntryId>) {
        let Some(chunk) = self.cells[cell].chunk() else { return };
        let slots = chunk.stamps.iter().enumerate().filter(|(_, stamp)| **stamp <= horizon);
        let ids_of = slots.map(|(slot, _)| entry_id(cell, slot));
        ids.extend(ids_of.filter(|id| self.find(*id).is_some_and(|entry| entry.value.is_some())));
    }

    /// The namespace of an entry that exists.
    pub(crate) fn namespace(&self, entry: EntryId) -> Option<i64> {
        self.cells.get(split(entry).0)?.chunk().map(|chunk| chunk.namespace)
    }

    /// Makes an entry without a value.
    pub(crate) fn allocate(&mut self, chunks: &mut Chunks, namespace: i64, key: &[u8]) -> EntryId {
        let cell = self.cell_with_room(chunks, namespace);
        let timed = self.timed;
        let Chunk { entries, stamps, .. } = self.cells[cell].chunk_mut();
        let entry = Entry::new(key);
        let slot = match self.vacant[cell].pop() {
            Some(slot) => {
                entries[usize::from(slot)] = entry;
                if let Some(stamp) = stamps.get_mut(usize::from(slot)) {
                    *stamp = i64::MIN;
                }
                usize::from(slot)
            }
            None => {
                entries.push(entry);
                if timed {
                    stamps.push(i64::MIN);
                }
                entries.len() - 1
            }
        };
        let id = entry_id(cell, slot);
        self.flags[id.0 as usize] = 0;
        id
    }

    fn has_room(&self, cell: usize) -> bool {
        let entries = self.cells[cell].chunk().map_or(CHUNK_ENTRIES, |chunk| chunk.entries.len());
        entries < CHUNK_ENTRIES || !self.vacant[cell].is_empty()
    }

    fn cell_with_room(&mut self, chunks: &mut Chunks, namespace: i64) -> usize {
        while let Some(&cell) = chunks.open.last() {
            let cell = cell as usize;
            if self.cells[cell].chunk().is_some_and(|chunk| chunk.namespace == namespace) && self.has_room(cell) {
                return cell;
            }
            chunks.open.pop();
        }
        self.add(chunks, Chunk { namespace, entries: Vec::new(), stamps: Vec::new() })
    }

    fn add(&mut self, chunks: &mut Chunks, chunk: Chunk<V>) -> usize {
        let cell = match self.free.pop() {
            Some(cell) => cell as usize,
            None => {
                self.cells.push(Cell::Free);
                self.vacant.push(Vec::new());
                self.places.push(0);
                self.flags.resize(self.cells.len() << CHUNK_BITS, VACANT);
                self.cells.len() - 1
            }
        };
        self.cells[cell] = Cell::Owned(chunk);
        self.places[cell] = chunks.all.len() as u32;
        chunks.all.push(cell as u32);
        chunks.open.push(cell as u32);
        cell
    }

    /// Takes a chunk out, leaving its cell free.
    fn take(&mut self, cell: usize) -> Cell<V> {
        self.flags[cell << CHUNK_BITS..][..CHUNK_ENTRIES].fill(VACANT);
        self.vacant[cell] = Vec::new();
        self.free.push(cell as u32);
        mem::replace(&mut self.cells[cell], Cell::Free)
    }

    /// Frees an entry.
    pub(crate) fn vacate(&mut self, chunks: &mut Chunks, entry: EntryId) {
        let (cell, slot) = split(entry);
        if !self.has_room(cell) {
            chunks.open.push(cell as u32);
        }
        self.flags[entry.0 as usize] = VACANT;
        self.vacant[cell].push(slot as u8);
        if self.cells[cell].chunk().is_some_and(|chunk| chunk.entries.len() == self.vacant[cell].len()) {
            self.take(cell);
            let place = self.places[cell];
            chunks.all.swap_remove(place as usize);
            if let Some(&moved) = chunks.all.get(place as usize) {
                self.places[moved as usize] = place;
            }
        } else {
            self.cells[cell].chunk_mut().entries[slot] = Entry::new(&[]);
        }
    }

    /// Takes the last chunk of a namespace out of the arena, copying it if a snapshot still reads it.
    pub(crate) fn pop_chunk(&mut self, chunks: &mut Chunks) -> Option<Chunk<V>> {
        let cell = chunks.all.pop()?;
        chunks.open.clear();
        match self.take(cell as usize) {
            Cell::Free => None,
            Cell::Owned(chunk) => Some(chunk),
            Cell::Shared(chunk) => Some(Arc::unwrap_or_clone(chunk)),
        }
    }

    /// Puts the rest of a chunk back that [`Self::pop_chunk`] took. All slots are in use.
    pub(crate) fn push_chunk(&mut self, chunks: &mut Chunks, chunk: Chunk<V>) {
        let entries = chunk.entries.len();
        let cell = self.add(chunks, chunk);
        self.flags[cell << CHUNK_BITS..][..entries].fill(DIRTY);
    }

    /// The entries of a namespace.
    pub(crate) fn entries<'a>(&'a self, chunks: &'a Chunks) -> impl Iterator<Item = (EntryId, &'a Entry<V>)> {
        chunks.all.iter().flat_map(|&cell| {
            let entries = self.cells[cell as usize].chunk().map_or(&[][..], |chunk| &chunk.entries);
            let entries = entries.iter().enumerate().map(move |(slot, entry)| (entry_id(cell as usize, slot), entry));
            entries.filter(|(id, _)| self.flags[id.0 as usize] & VACANT == 0)
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
    pub(crate) fn cell_flags(&mut self, cell: usize) -> impl Iterator<Item = (EntryId, &mut u8)> {
        let flags = self.flags[cell << CHUNK_BITS..][..CHUNK_ENTRIES].iter_mut().enumerate();
        flags.filter(|(_, flags)| **flags & VACANT == 0).map(move |(slot, flags)| (entry_id(cell, slot), flags))
    }

    /// The chunk of one cell as it is now, shared from here on.
    pub(crate) fn share_cell(&mut self, cell: usize) -> Option<Arc<Chunk<V>>> {
        self.cells[cell].share()
    }

    /// All chunks as they are now. They are shared from here on, and copied when written to.
    pub(crate) fn share(&mut self) -> Vec<Arc<Chunk<V>>> {
        let mut shared = Vec::with_capacity(self.cells.len() - self.free.len());
        shared.extend(self.cells.iter_mut().filter_map(Cell::share));
        shared
    }
}
