//! Rows of mostly zero bytes, kept as lists of what is not zero. A table says which number a byte stands for.
//!
//! Kernels read rows by these lists without a further check: every list is made here, and its fields are private.

/// The number that each byte stands for.
pub(crate) type Table = [f32; 256];

/// The pixel values as numbers: exactly `v / 255`.
pub(crate) static PIXELS: Table = pixels();

const fn pixels() -> Table {
    let mut table = [0.0; 256];
    let mut value = 0;
    while value < 256 {
        table[value] = value as f32 / 255.0;
        value += 1;
    }
    table
}

/// The largest number of rows or columns that an entry can name.
pub(crate) const INDEX_END: usize = 1 << 24;

/// One byte that is not zero and the row or column where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry(u32);

impl Entry {
    #[inline(always)]
    fn new(index: usize, value: u8) -> Entry {
        Entry((index as u32) << 8 | u32::from(value))
    }

    /// Returns where the byte stands.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        (self.0 >> 8) as usize
    }

    /// Returns the byte, as an index of the lists' table.
    #[inline(always)]
    pub(crate) fn value(self) -> usize {
        (self.0 & 0xff) as usize
    }
}

/// Lists of entries, each a range of one slice.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    ranges: &'a [(u32, u32)],
    entries: &'a [Entry],
    index_end: usize,
    /// What the entries' bytes stand for.
    pub(crate) table: &'a Table,
}

impl<'a> Lists<'a> {
    /// Returns how many lists there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Returns a bound that every index is below.
    pub(crate) fn index_end(&self) -> usize {
        self.index_end
    }

    /// Returns one list.
    #[inline(always)]
    pub(crate) fn entries(&self, list: usize) -> &'a [Entry] {
        let (start, end) = self.ranges[list];
        &self.entries[start as usize..end as usize]
    }

    /// Iterates over the (index, number) pairs of one list.
    pub(crate) fn list(&self, list: usize) -> impl Iterator<Item = (usize, f32)> + 'a {
        let table = self.table;
        self.entries(list).iter().map(|entry| (entry.index(), table[entry.value()]))
    }

    /// Returns the lists of this range.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Lists<'a> {
        Lists { ranges: &self.ranges[range], ..*self }
    }
}

/// The columns of a segment: 112 rows of a panel are 28 KiB and stay in the first-level cache while the batch passes.
const SEGMENT: usize = 112;

/// The rows of a data set: per row and segment of columns, what is not zero.
#[derive(Debug)]
pub(crate) struct SparseRows {
    columns: usize,
    segments: usize,
    /// Where the list of (row, segment) starts; one more at the end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    table: Box<Table>,
}

impl SparseRows {
    /// Lists what is not zero in `bytes`, rows of `columns` bytes; `None` where that is too much for 32-bit offsets.
    /// In `table`, 0 stands for 0.
    pub(crate) fn new(bytes: &[u8], columns: usize, table: &Table) -> Option<SparseRows> {
        let count = bytes.iter().filter(|&&byte| byte != 0).count();
        if columns > INDEX_END || count > u32::MAX as usize {
            return None;
        }
        let segments = columns.div_ceil(SEGMENT);
        let mut starts = Vec::with_capacity(bytes.len() / columns * segments + 1);
        let mut entries = Vec::with_capacity(count);
        for row in bytes.chunks_exact(columns) {
            for (segment, bytes) in row.chunks(SEGMENT).enumerate() {
                starts.push(entries.len() as u32);
                let found = bytes.iter().enumerate().filter(|(_, byte)| **byte != 0);
                entries.extend(found.map(|(at, &byte)| Entry::new(segment * SEGMENT + at, byte)));
            }
        }
        starts.push(entries.len() as u32);
        Some(SparseRows { columns, segments, starts, entries, table: Box::new(*table) })
    }

    fn list(&self, row: usize, segment: usize) -> (u32, u32) {
        let at = row * self.segments + segment;
        (self.starts[at], self.starts[at + 1])
    }

    fn row(&self, row: usize) -> &[Entry] {
        let (start, end) = (self.starts[row * self.segments], self.starts[(row + 1) * self.segments]);
        &self.entries[start as usize..end as usize]
    }
}

/// Asks for entries that are read soon.
///
/// The rows of a batch lie anywhere in the data set: all their cache lines at once are some ten times sooner there than
/// one after the other.
fn prefetch(entries: &[Entry]) {
    #[cfg(target_arch = "x86_64")]
    for line in entries.chunks(CACHE_LINE / size_of::<Entry>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and it reads nothing that the program sees.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = entries;
}

/// Bytes that a processor fetches at once.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// The sparse form of one batch: its samples' lists by segment, and what is not zero in each column.
#[derive(Default, Debug)]
pub(crate) struct SparseBatch {
    /// Lists of the data set's entries: of each segment, one a sample.
    row_ranges: Vec<(u32, u32)>,
    samples_gathered: usize,
    column_ranges: Vec<(u32, u32)>,
    /// Where each column's list ends so far; apart from the ranges, so that it stays in the first-level cache.
    column_ends: Vec<u32>,
    column_entries: Vec<Entry>,
    samples_transposed: usize,
}

impl SparseBatch {
    /// Gathers the lists of the samples `order` for the forward pass.
    pub(crate) fn gather(&mut self, rows: &SparseRows, order: &[u32]) {
        self.samples_gathered = order.len();
        order.iter().for_each(|&row| prefetch(rows.row(row as usize)));
        self.row_ranges.clear();
        for segment in 0..rows.segments {
            self.row_ranges.extend(order.iter().map(|&row| rows.list(row as usize, segment)));
        }
    }

    /// Turns the gathered rows into lists by column, each in the order of the samples, for the gradient.
    ///
    /// Two passes over the entries: one counts, one puts each where its column's list ends so far.
    pub(crate) fn transpose(&mut self, rows: &SparseRows, order: &[u32]) {
        self.samples_transposed = order.len();
        self.count_columns(rows, order);
        let total = self.begin_columns();
        self.column_entries.resize(total, Entry(0));
        for (sample, &row) in order.iter().enumerate() {
            for entry in rows.row(row as usize) {
                let end = &mut self.column_ends[entry.index()];
                self.column_entries[*end as usize] = Entry::new(sample, entry.value() as u8);
                *end += 1;
            }
        }
        self.column_ranges.iter_mut().zip(&self.column_ends).for_each(|(range, &end)| range.1 = end);
    }

    fn count_columns(&mut self, rows: &SparseRows, order: &[u32]) {
        self.column_ends.clear();
        self.column_ends.resize(rows.columns, 0);
        for &row in order {
            for entry in rows.row(row as usize) {
                self.column_ends[entry.index()] += 1;
            }
        }
    }

    /// Makes the counts the places where the columns' lists begin, and returns how many entries there are.
    fn begin_columns(&mut self) -> usize {
        self.column_ranges.clear();
        let mut start = 0;
        for end in &mut self.column_ends {
            let count = *end;
            *end = start;
            self.column_ranges.push((start, start));
            start += count;
        }
        start as usize
    }

    /// Iterates over the segments' lists: one a sample, indices are columns.
    pub(crate) fn by_sample<'a>(&'a self, rows: &'a SparseRows) -> impl Iterator<Item = Lists<'a>> {
        let lists =
            |ranges| Lists { ranges, entries: &rows.entries, index_end: rows.columns, table: &rows.table };
        self.row_ranges.chunks_exact(self.samples_gathered.max(1)).map(lists)
    }

    /// Returns the lists by column of what was gathered of `rows`: indices are samples.
    pub(crate) fn by_column<'a>(&'a self, rows: &'a SparseRows) -> Lists<'a> {
        Lists {
            ranges: &self.column_ranges,
            entries: &self.column_entries,
            index_end: self.samples_transposed,
            table: &rows.table,
        }
    }
}
