//! Rows of mostly zero bytes, kept as lists of what is not zero. A table says which number a byte stands for.
//!
//! The forward pass reads a row's entries one by one. The gradient reads columns two by two: pixels that lie side by side
//! are mostly both zero or both not, and each delta that is loaded then serves both.
//!
//! Kernels read rows by these lists without a further check: every list is made here, and its fields are private.

use crate::matrix::PANEL;
use std::ops::Range;

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

/// One byte that is not zero, and its column, counted from the first of its segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry(u16);

impl Entry {
    #[inline(always)]
    fn new(index: usize, value: u8) -> Entry {
        Entry((index as u16) << 8 | u16::from(value))
    }

    /// Returns the column in its segment.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0 >> 8)
    }

    /// Returns the byte, as an index of the lists' table.
    #[inline(always)]
    pub(crate) fn value(self) -> usize {
        usize::from(self.0 & 0xff)
    }
}

/// Two bytes, not both zero, and where they stand: of a row the pair of columns, of a pair of columns the row.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pair(u32);

impl Pair {
    #[inline(always)]
    fn new(index: usize, [first, second]: [u8; 2]) -> Pair {
        Pair((index as u32) << 16 | u32::from(first) << 8 | u32::from(second))
    }

    /// Returns the pair of columns, or the row.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        (self.0 >> 16) as usize
    }

    /// Returns the two bytes, as indices of the lists' table.
    #[inline(always)]
    pub(crate) fn values(self) -> [usize; 2] {
        [(self.0 >> 8 & 0xff) as usize, (self.0 & 0xff) as usize]
    }

    /// Returns the same bytes at another place.
    #[inline(always)]
    fn at(self, index: usize) -> Pair {
        Pair((index as u32) << 16 | self.0 & 0xffff)
    }
}

/// How many pairs of columns, and how many rows of a block, a [`Pair`] can tell apart.
const PAIR_INDICES: usize = 1 << 16;

/// Lists of a segment's entries, one a sample.
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
}

/// Lists of a block of samples, one a pair of columns.
#[derive(Clone, Copy)]
pub(crate) struct PairLists<'a> {
    counts: &'a [u32],
    /// `stride` places a list.
    pairs: &'a [Pair],
    stride: usize,
    index_end: usize,
    /// What the pairs' bytes stand for.
    pub(crate) table: &'a Table,
}

impl<'a> PairLists<'a> {
    /// Returns how many lists there are.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Returns a bound that every index is below.
    pub(crate) fn index_end(&self) -> usize {
        self.index_end
    }

    /// Returns one list.
    #[inline(always)]
    pub(crate) fn pairs(&self, list: usize) -> &'a [Pair] {
        &self.pairs[list * self.stride..][..self.counts[list] as usize]
    }
}

/// The columns of a segment: the rows of a panel that its entries name stay in the first-level cache while the batch
/// passes. From 98 to 196 columns take the same time.
const SEGMENT: usize = 157;

/// The rows of a data set: what is not zero, by row and segment of columns, and by row in pairs of columns.
#[derive(Debug)]
pub(crate) struct SparseRows {
    columns: usize,
    segments: usize,
    /// Where the list of (row, segment) starts; one more at the end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    /// Where the pairs of a row start; one more at the end.
    pair_starts: Vec<u32>,
    pairs: Vec<Pair>,
    table: Box<Table>,
}

impl SparseRows {
    /// Lists what is not zero in `bytes`, rows of `columns` bytes; `None` where that is too much for the lists' numbers.
    /// In `table`, 0 stands for 0.
    pub(crate) fn new(bytes: &[u8], columns: usize, table: &Table) -> Option<SparseRows> {
        let count = bytes.iter().filter(|&&byte| byte != 0).count();
        if columns.div_ceil(2) > PAIR_INDICES || count > u32::MAX as usize {
            return None;
        }
        let (rows, segments) = (bytes.len() / columns, columns.div_ceil(SEGMENT));
        let mut lists = SparseRows {
            columns,
            segments,
            starts: Vec::with_capacity(rows * segments + 1),
            entries: Vec::with_capacity(count),
            pair_starts: Vec::with_capacity(rows + 1),
            pairs: Vec::new(),
            table: Box::new(*table),
        };
        bytes.chunks_exact(columns).for_each(|row| lists.push(row));
        lists.starts.push(lists.entries.len() as u32);
        lists.pair_starts.push(lists.pairs.len() as u32);
        lists.pairs.shrink_to_fit();
        Some(lists)
    }

    fn push(&mut self, row: &[u8]) {
        for segment in row.chunks(SEGMENT) {
            self.starts.push(self.entries.len() as u32);
            let found = segment.iter().enumerate().filter(|(_, byte)| **byte != 0);
            self.entries.extend(found.map(|(at, &byte)| Entry::new(at, byte)));
        }
        self.pair_starts.push(self.pairs.len() as u32);
        let pairs = row.chunks(2).map(|pair| [pair[0], pair.get(1).copied().unwrap_or(0)]).enumerate();
        self.pairs.extend(pairs.filter(|(_, pair)| *pair != [0, 0]).map(|(at, pair)| Pair::new(at, pair)));
    }

    fn list(&self, row: usize, segment: usize) -> (u32, u32) {
        let at = row * self.segments + segment;
        (self.starts[at], self.starts[at + 1])
    }

    fn row(&self, row: usize) -> &[Entry] {
        let (start, end) = (self.starts[row * self.segments], self.starts[(row + 1) * self.segments]);
        &self.entries[start as usize..end as usize]
    }

    fn pairs(&self, row: usize) -> &[Pair] {
        &self.pairs[self.pair_starts[row] as usize..self.pair_starts[row + 1] as usize]
    }
}

/// Asks for what is read soon.
///
/// The rows of a batch lie anywhere in the data set: all their cache lines at once are some ten times sooner there than
/// one after the other.
pub(crate) fn prefetch<T>(list: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in list.chunks(CACHE_LINE / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and it reads nothing that the program sees.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = list;
}

/// Bytes that a processor fetches at once.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Samples whose pairs make one list, at most. Long lists cost memory: each has room for as many.
const BLOCK: usize = 4096;
const _: () = assert!(BLOCK <= PAIR_INDICES, "a pair can name every sample of a block");

/// Places between the lists of pairs beyond what a block needs: lists that begin in the same few sets of a cache would
/// drive one another out.
const APART: usize = 16;

/// The sparse form of one batch: its samples' lists by segment, and what is not zero in each pair of columns.
#[derive(Default, Debug)]
pub(crate) struct SparseBatch {
    samples: usize,
    /// Lists of the data set's entries: of each segment, one a sample.
    row_ranges: Vec<(u32, u32)>,
    /// Of each block of samples, a list a pair of columns, `stride` places each.
    column_pairs: Vec<Pair>,
    stride: usize,
    /// The lengths of those lists.
    counts: Vec<u32>,
}

impl SparseBatch {
    /// Gathers the lists of the samples `order` for the forward pass.
    pub(crate) fn gather(&mut self, rows: &SparseRows, order: &[u32]) {
        self.samples = order.len();
        order.iter().for_each(|&row| prefetch(rows.row(row as usize)));
        self.row_ranges.clear();
        for segment in 0..rows.segments {
            self.row_ranges.extend(order.iter().map(|&row| rows.list(row as usize, segment)));
        }
    }

    /// Turns the gathered rows into lists by pairs of columns, each in the order of the samples, for the gradient.
    pub(crate) fn transpose(&mut self, rows: &SparseRows, order: &[u32]) {
        order.iter().for_each(|&row| prefetch(rows.pairs(row as usize)));
        let (lists, blocks) = (rows.columns.div_ceil(2), order.len().div_ceil(BLOCK));
        self.stride = order.len().min(BLOCK) + APART;
        self.column_pairs.resize(blocks * lists * self.stride, Pair::default());
        self.counts.clear();
        self.counts.resize(blocks * lists, 0);
        let pairs = self.column_pairs.chunks_exact_mut(lists * self.stride);
        let blocks = pairs.zip(self.counts.chunks_exact_mut(lists));
        for ((pairs, counts), order) in blocks.zip(order.chunks(BLOCK)) {
            for (sample, &row) in order.iter().enumerate() {
                for pair in rows.pairs(row as usize) {
                    let count = &mut counts[pair.index()];
                    pairs[pair.index() * self.stride + *count as usize] = pair.at(sample);
                    *count += 1;
                }
            }
        }
    }

    /// Iterates over the segments: their columns, and a list a sample whose indices count from the first of them.
    pub(crate) fn by_segment<'a>(
        &'a self,
        rows: &'a SparseRows,
    ) -> impl Iterator<Item = (Range<usize>, Lists<'a>)> {
        let ranges = self.row_ranges.chunks_exact(self.samples.max(1));
        ranges.enumerate().map(|(segment, ranges)| {
            let columns = segment * SEGMENT..rows.columns.min((segment + 1) * SEGMENT);
            let (entries, index_end) = (&rows.entries, columns.len());
            let lists = Lists { ranges, entries, index_end, table: &rows.table };
            (columns, lists)
        })
    }

    /// Iterates over the blocks of samples: which they are, and a list a pair of the columns `columns` whose indices count
    /// from the first of the samples. The first column is an even one.
    pub(crate) fn by_pair<'a>(
        &'a self,
        rows: &'a SparseRows,
        columns: Range<usize>,
    ) -> impl Iterator<Item = (Range<usize>, PairLists<'a>)> {
        const { assert!(PANEL.is_multiple_of(2), "a block of rows begins with a pair") };
        let blocks = self.samples.div_ceil(BLOCK);
        let lists = columns.start / 2..columns.end.div_ceil(2);
        (0..blocks).map(move |block| {
            let samples = block * BLOCK..self.samples.min((block + 1) * BLOCK);
            let first = block * (self.counts.len() / blocks) + lists.start;
            let pairs = PairLists {
                counts: &self.counts[first..first + lists.len()],
                pairs: &self.column_pairs[first * self.stride..(first + lists.len()) * self.stride],
                stride: self.stride,
                index_end: samples.len(),
                table: &rows.table,
            };
            (samples, pairs)
        })
    }
}
