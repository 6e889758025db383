//! Between the table that keeps the accumulators of all groups and the columns that a batch is folded into.

use dataflow::{OpenContext, Snapshot};
use model::{Failure, row::Rows};
use state::{EntryId, StateValue, Table};

use super::{
    Object,
    layout::Layout,
    object::{ended, int, put_signed, put_unsigned, unsigned},
};

/// The accumulators of the groups that are being worked on.
#[derive(Default)]
pub(crate) struct Work {
    entries: Vec<EntryId>,
    /// Whether the table knew the group.
    pub(crate) existed: Vec<bool>,
    /// `words[word][group]`
    pub(crate) words: Vec<Vec<i64>>,
    /// `objects[group][object]`; no groups if the layout has no objects.
    pub(crate) objects: Vec<Box<[Object]>>,
}

impl Work {
    /// Number of groups.
    pub(crate) fn groups(&self) -> usize {
        self.existed.len()
    }

    /// Whether a group remains once the batch is folded.
    #[inline]
    pub(crate) fn exists(&self, layout: &Layout, group: usize) -> bool {
        self.words[0][group] > 0 || (layout.keeps_empty && self.existed[group])
    }

    /// Leaves nothing of the groups: storing removes them.
    pub(crate) fn forget(&mut self) {
        self.existed.fill(false);
        if let Some(counts) = self.words.first_mut() {
            counts.fill(0);
        }
    }

    /// Takes the accumulators out: what is left is stored as nothing.
    pub(crate) fn take(&mut self) -> Self {
        let taken = Self {
            entries: Vec::new(),
            existed: self.existed.clone(),
            words: self.words.clone(),
            objects: std::mem::take(&mut self.objects),
        };
        self.forget();
        taken
    }

    /// Puts the accumulators of `from` in place of these, which are of groups without rows.
    pub(crate) fn replace(&mut self, from: Self) {
        assert_eq!(self.groups(), from.groups(), "the same groups");
        (self.words, self.objects) = (from.words, from.objects);
    }

    /// Makes room for more groups and returns the position of the first.
    pub(super) fn grow(&mut self, layout: &Layout, groups: usize) -> usize {
        let first = self.groups();
        self.existed.resize(first + groups, false);
        self.words.resize_with(layout.template.len(), Vec::new);
        for (column, &initial) in self.words.iter_mut().zip(&layout.template) {
            column.resize(first + groups, initial);
        }
        first
    }
}

/// The table, whatever the width of its values.
pub(crate) trait AccumulatorTable: Send {
    /// Appends the accumulators of groups to `work`: those with the keys at `rows` (all if `None`), which must differ.
    fn load(
        &mut self,
        layout: &Layout,
        namespace: i64,
        keys: &Rows,
        rows: Option<&[u32]>,
        work: &mut Work,
    ) -> Result<(), Failure>;

    /// Writes all groups of `work` back; groups that no longer exist are removed. `work` keeps its words.
    fn store(&mut self, layout: &Layout, work: &mut Work) -> Result<(), Failure>;

    /// Moves up to `rows` groups out of the table. Whether more are left.
    fn drain(
        &mut self,
        layout: &Layout,
        namespace: i64,
        rows: usize,
        keys: &mut Rows,
        work: &mut Work,
    ) -> Result<bool, Failure>;

    /// The namespaces that have groups, ascending.
    fn namespaces(&self) -> Vec<i64>;

    /// Puts the table into a snapshot.
    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure>;
}

/// How long the groups of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until they are drained.
    Window,
    /// As long as the job's options let state be idle.
    Idle,
}

/// Opens the table `name` for a layout.
pub(crate) fn open(
    layout: &Layout,
    name: &str,
    lifetime: Lifetime,
    context: &mut OpenContext,
) -> Result<Box<dyn AccumulatorTable>, Failure> {
    Ok(match layout.template.len() {
        0..=1 => Typed::<[i64; 1]>::boxed(name, lifetime, context)?,
        2 => Typed::<[i64; 2]>::boxed(name, lifetime, context)?,
        3..=4 => Typed::<[i64; 4]>::boxed(name, lifetime, context)?,
        5..=8 => Typed::<[i64; 8]>::boxed(name, lifetime, context)?,
        9..=16 => Typed::<[i64; 16]>::boxed(name, lifetime, context)?,
        _ => Typed::<Box<[i64]>>::boxed(name, lifetime, context)?,
    })
}

struct Typed<W: Words>(Table<State<W>>);

impl<W: Words> Typed<W> {
    fn boxed(name: &str, lifetime: Lifetime, context: &mut OpenContext) -> Result<Box<dyn AccumulatorTable>, Failure> {
        let table = match lifetime {
            Lifetime::Window => context.keyed.table(name)?,
            Lifetime::Idle => context.expiring_table(name)?,
        };
        Ok(Box::new(Self(table)))
    }
}

impl<W: Words> AccumulatorTable for Typed<W> {
    fn load(
        &mut self,
        layout: &Layout,
        namespace: i64,
        keys: &Rows,
        rows: Option<&[u32]>,
        work: &mut Work,
    ) -> Result<(), Failure> {
        let first = work.entries.len();
        self.0.hydrate(namespace, keys, rows, &mut work.entries)?;
        let groups = work.entries.len() - first;
        let start = work.grow(layout, groups);
        debug_assert_eq!(first, start, "an entry for each group");
        let has_objects = !layout.objects.is_empty();
        for group in start..start + groups {
            let entry = work.entries[group];
            let Some(state) = self.0.get(entry) else {
                if has_objects {
                    work.objects.push(layout.new_objects());
                }
                continue;
            };
            work.existed[group] = true;
            for (column, &word) in work.words.iter_mut().zip(state.words.as_ref()) {
                column[group] = word;
            }
            if has_objects {
                let objects = self.0.get_mut(entry).as_mut().map(|state| std::mem::take(&mut state.objects));
                work.objects.push(checked(objects.unwrap_or_default(), layout)?);
            }
        }
        Ok(())
    }

    fn store(&mut self, layout: &Layout, work: &mut Work) -> Result<(), Failure> {
        let mut objects = std::mem::take(&mut work.objects).into_iter();
        for group in 0..work.groups() {
            let objects = objects.next().unwrap_or_default();
            let slot = self.0.get_mut(work.entries[group]);
            if !work.exists(layout, group) {
                *slot = None;
                continue;
            }
            if work.words[0][group] == 0 {
                // No residue of float sums.
                for (column, &initial) in work.words.iter_mut().zip(&layout.template) {
                    column[group] = initial;
                }
            }
            match slot {
                Some(state) => {
                    for (word, column) in state.words.as_mut().iter_mut().zip(&work.words) {
                        *word = column[group];
                    }
                    state.objects = objects;
                }
                None => {
                    let mut words = W::zeros(layout.template.len());
                    for (word, column) in words.as_mut().iter_mut().zip(&work.words) {
                        *word = column[group];
                    }
                    *slot = Some(State { words, objects });
                }
            }
        }
        self.0.end_batch()
    }

    fn drain(
        &mut self,
        layout: &Layout,
        namespace: i64,
        rows: usize,
        keys: &mut Rows,
        work: &mut Work,
    ) -> Result<bool, Failure> {
        let mut states = Vec::with_capacity(rows);
        let more = self.0.drain(namespace, rows, &mut |key, state| {
            keys.push(key);
            states.push(state);
        })?;
        let start = work.grow(layout, states.len());
        for (group, state) in (start..).zip(states) {
            work.existed[group] = true;
            for (column, &word) in work.words.iter_mut().zip(state.words.as_ref()) {
                column[group] = word;
            }
            if !layout.objects.is_empty() {
                work.objects.push(checked(state.objects, layout)?);
            }
        }
        Ok(more)
    }

    fn namespaces(&self) -> Vec<i64> {
        self.0.namespaces()
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        snapshot.table(&mut self.0)
    }
}

fn checked(objects: Box<[Object]>, layout: &Layout) -> Result<Box<[Object]>, Failure> {
    if objects.len() == layout.objects.len() {
        Ok(objects)
    } else {
        Err(Failure::data("stored accumulators do not fit the aggregate functions"))
    }
}

/// More words than any aggregation has: a stored number above it is corrupt.
const WORDS_MAX: usize = 1 << 16;

/// The words of one group.
pub(super) trait Words: AsRef<[i64]> + AsMut<[i64]> + Clone + Send + Sync + 'static {
    /// Whether there may be more words than the layout has.
    const PADDED: bool;
    /// At least `words` words, all zero.
    fn zeros(words: usize) -> Self;
}

impl<const N: usize> Words for [i64; N] {
    const PADDED: bool = true;
    fn zeros(_words: usize) -> Self {
        [0; N]
    }
}

impl Words for Box<[i64]> {
    const PADDED: bool = false;
    fn zeros(words: usize) -> Self {
        vec![0; words].into()
    }
}

/// What a group keeps.
#[derive(Clone)]
pub(super) struct State<W> {
    words: W,
    objects: Box<[Object]>,
}

impl<W: Words> StateValue for State<W> {
    /// The number of words (without padding), the words, the number of objects, the objects.
    fn encode(&self, out: &mut Vec<u8>) {
        let words = self.words.as_ref();
        let used =
            if W::PADDED { words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1) } else { words.len() };
        put_unsigned(used as u128, out);
        for &word in &words[..used] {
            put_signed(i128::from(word), out);
        }
        put_unsigned(self.objects.len() as u128, out);
        for object in &self.objects {
            object.encode(out);
        }
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Failure> {
        let cursor = &mut bytes;
        let used = unsigned(cursor)?.try_into().unwrap_or(usize::MAX);
        let mut words = W::zeros(used.min(WORDS_MAX));
        if used > words.as_ref().len() {
            return Err(Failure::data("stored accumulators do not fit the aggregate functions"));
        }
        for word in &mut words.as_mut()[..used] {
            *word = int(cursor)?;
        }
        let objects = unsigned(cursor)?;
        let objects = (0..objects).map(|_| Object::decode(cursor)).collect::<Result<_, _>>()?;
        ended(cursor)?;
        Ok(Self { words, objects })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.objects.iter().map(|object| size_of::<Object>() + object.heap_bytes()).sum::<usize>()
    }
}
