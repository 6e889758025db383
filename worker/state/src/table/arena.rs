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
    pub(crate) flags: u8,
}

impl<V> Entry<V> {
    fn vacant() -> Self {
        Self { key: Key::new(&[]), value: None, bytes: 0, flags: VACANT }
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.flags & VACANT != 0
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Some entries of one namespace.
#[derive(Clone)]
pub(crate) struct Chunk<V> {
    pub(crate) namespace: i64,
    pub(crate) entries: Vec<Entry<V>>,
    vacant: Vec<u8>,
}

impl<V> Chunk<V> {
    fn has_room(&self) -> bool {
        self.entries.len() < CHUNK_ENTRIES || !self.vacant.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.entries.len() == self.vacant.len()
    }
}

enum Cell<V> {
    Free,
    Owned(Chunk<V>),
    /// A snapshot may be reading it.
    Shared(Arc<Chunk<V>>),
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
fn split(entry: u32) -> (usize, usize) {
    ((entry >> CHUNK_BITS) as usize, entry as usize & (CHUNK_ENTRIES - 1))
}

#[inline]
fn entry_id(cell: usize, slot: usize) -> u32 {
    ((cell as u32) << CHUNK_BITS) | slot as u32
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
    fn chunk_mut(&mut self) -> Option<&mut Chunk<V>> {
        if matches!(self, Self::Shared(_)) {
            self.own();
        }
        match self {
            Self::Owned(chunk) => Some(chunk),
            _ => None,
        }
    }

    #[cold]
    fn own(&mut self) {
        if let Self::Shared(chunk) = mem::replace(self, Self::Free) {
            *self = Self::Owned(Arc::unwrap_or_clone(chunk));
        }
    }
}

impl<V: Clone> Arena<V> {
    /// The entry, unless its chunk is gone.
    #[inline]
    pub(crate) fn find(&self, entry: EntryId) -> Option<&Entry<V>> {
        let (cell, slot) = split(entry.0);
        self.cells.get(cell)?.chunk()?.entries.get(slot).filter(|entry| !entry.is_vacant())
    }

    #[inline]
    pub(crate) fn get(&self, entry: EntryId) -> &Entry<V> {
        let (cell, slot) = split(entry.0);
        &self.cells[cell].chunk().expect("an entry's chunk lives until the end of the batch").entries[slot]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, entry: EntryId) -> &mut Entry<V> {
        let (cell, slot) = split(entry.0);
        let chunk = self.cells[cell].chunk_mut().expect("an entry's chunk lives until the end of the batch");
        &mut chunk.entries[slot]
    }

    /// The namespace of an entry that exists.
    pub(crate) fn namespace(&self, entry: EntryId) -> Option<i64> {
        self.cells.get(split(entry.0).0)?.chunk().map(|chunk| chunk.namespace)
    }

    /// Makes an entry without a value.
    pub(crate) fn allocate(&mut self, chunks: &mut Chunks, namespace: i64, key: &[u8]) -> EntryId {
        let cell = self.cell_with_room(chunks, namespace);
        let chunk = self.cells[cell].chunk_mut().expect("a cell with room has a chunk");
        let entry = Entry { key: Key::new(key), value: None, bytes: 0, flags: 0 };
        let slot = match chunk.vacant.pop() {
            Some(slot) => {
                chunk.entries[usize::from(slot)] = entry;
                usize::from(slot)
            }
            None => {
                chunk.entries.push(entry);
                chunk.entries.len() - 1
            }
        };
        EntryId(entry_id(cell, slot))
    }

    fn cell_with_room(&mut self, chunks: &mut Chunks, namespace: i64) -> usize {
        while let Some(&cell) = chunks.open.last() {
            let chunk = self.cells.get(cell as usize).and_then(Cell::chunk);
            if chunk.is_some_and(|chunk| chunk.namespace == namespace && chunk.has_room()) {
                return cell as usize;
            }
            chunks.open.pop();
        }
        let chunk = Cell::Owned(Chunk { namespace, entries: Vec::new(), vacant: Vec::new() });
        let cell = match self.free.pop() {
            Some(cell) => {
                self.cells[cell as usize] = chunk;
                cell as usize
            }
            None => {
                self.cells.push(chunk);
                self.cells.len() - 1
            }
        };
        chunks.all.push(cell as u32);
        chunks.open.push(cell as u32);
        cell
    }

    /// Frees an entry.
    pub(crate) fn vacate(&mut self, chunks: &mut Chunks, entry: EntryId) {
        let (cell, slot) = split(entry.0);
        let chunk = self.cells[cell].chunk_mut().expect("a vacated entry has a chunk");
        if !chunk.has_room() {
            chunks.open.push(cell as u32);
        }
        chunk.entries[slot] = Entry::vacant();
        chunk.vacant.push(slot as u8);
        if chunk.is_empty() {
            self.cells[cell] = Cell::Free;
            self.free.push(cell as u32);
            chunks.all.retain(|&other| other as usize != cell);
        }
    }

    /// Takes the last chunk of a namespace out of the arena, copying it if a snapshot still reads it.
    pub(crate) fn pop_chunk(&mut self, chunks: &mut Chunks) -> Option<Chunk<V>> {
        let cell = chunks.all.pop()?;
        chunks.open.clear();
        self.free.push(cell);
        match mem::replace(&mut self.cells[cell as usize], Cell::Free) {
            Cell::Free => None,
            Cell::Owned(chunk) => Some(chunk),
            Cell::Shared(chunk) => Some(Arc::unwrap_or_clone(chunk)),
        }
    }

    /// Puts the rest of a chunk back that [`Self::pop_chunk`] took, with no slot free.
    pub(crate) fn push_chunk(&mut self, chunks: &mut Chunks, namespace: i64, entries: Vec<Entry<V>>) {
        let chunk = Cell::Owned(Chunk { namespace, entries, vacant: Vec::new() });
        let cell = self.free.pop().unwrap_or_else(|| {
            self.cells.push(Cell::Free);
            (self.cells.len() - 1) as u32
        });
        self.cells[cell as usize] = chunk;
        chunks.all.push(cell);
        chunks.open.push(cell);
    }

    /// The entries of a namespace.
    pub(crate) fn entries<'a>(&'a self, chunks: &'a Chunks) -> impl Iterator<Item = (EntryId, &'a Entry<V>)> {
        chunks.all.iter().flat_map(|&cell| self.cell_entries(cell as usize))
    }

    /// The ids of a namespace's entries.
    pub(crate) fn ids(&self, chunks: &Chunks) -> Vec<EntryId> {
        self.entries(chunks).map(|(id, _)| id).collect()
    }

    /// Number of cells, for [`Self::cell_entries`].
    pub(crate) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The entries of one cell.
    pub(crate) fn cell_entries(&self, cell: usize) -> impl Iterator<Item = (EntryId, &Entry<V>)> {
        let entries = self.cells[cell].chunk().map_or(&[][..], |chunk| &chunk.entries);
        let used = entries.iter().enumerate().filter(|(_, entry)| !entry.is_vacant());
        used.map(move |(slot, entry)| (EntryId(entry_id(cell, slot)), entry))
    }

    /// Calls `each` with the entries of one cell, to be changed.
    pub(crate) fn for_cell(&mut self, cell: usize, mut each: impl FnMut(EntryId, &mut Entry<V>)) {
        let Some(chunk) = self.cells[cell].chunk_mut() else { return };
        for (slot, entry) in chunk.entries.iter_mut().enumerate() {
            if !entry.is_vacant() {
                each(EntryId(entry_id(cell, slot)), entry);
            }
        }
    }

    /// All chunks as they are now. They are shared from here on, and copied when written to.
    pub(crate) fn share(&mut self) -> Vec<Arc<Chunk<V>>> {
        let mut shared = Vec::with_capacity(self.cells.len() - self.free.len());
        for cell in &mut self.cells {
            *cell = match mem::replace(cell, Cell::Free) {
                Cell::Free => continue,
                Cell::Owned(chunk) => Cell::Shared(Arc::new(chunk)),
                Cell::Shared(chunk) => Cell::Shared(chunk),
            };
            if let Cell::Shared(chunk) = cell {
                shared.push(Arc::clone(chunk));
            }
        }
        shared
    }
}
