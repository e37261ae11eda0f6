//! Sixteen numbers at a time: the one interface between arithmetic and instruction sets.
//!
//! Whatever is computed element by element is written once, over [`Lanes`]. Sixteen is the width on every machine
//! (one AVX-512 register, two of AVX2, an array for plain code), so a sum over lanes has one order everywhere.

/// How many numbers a line holds.
pub(crate) const LANES: usize = 16;

/// The unit of storage: sixteen `f32`, never across a cache line.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LANES]);

impl Line {
    /// Sixteen zeros.
    pub(crate) const ZERO: Line = Line([0.0; LANES]);
}

/// 1.5 · 2²³: what is added to it is rounded to a whole number, ties to even, and stands in the lowest bits of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// 2⁻⁶³, the least magnitude but 0 of inputs, weights, values, deltas and gradients: the product of any two is a normal number.
/// Of smaller ones processors make numbers that are not, at up to a hundred times the cost: a network whose weights a
/// penalty takes to zero would train at a third of its speed.
pub(crate) const LEAST: f32 = f32::from_bits((127 - 63) << 23);

/// Sixteen numbers and the operations that IEEE 754 rounds exactly, so that every implementation has the same bits.
///
/// Implementations inline every method: code over lanes must become straight code of one instruction set.
pub(crate) trait Lanes: Copy {
    /// Rows of the dense tile: as many as leave registers for the other operands.
    const TILE_ROWS: usize;
    /// Lines that the registers hold as sums: a tile of fewer rows is as many lines wide as they allow, one at least.
    const TILE_LINES: usize;

    /// Returns the line's numbers.
    fn load(line: &Line) -> Self;
    /// Writes the numbers to a line.
    fn store(self, line: &mut Line);
    /// Returns sixteen times `value`.
    fn splat(value: f32) -> Self;
    /// Returns `self + other`.
    fn add(self, other: Self) -> Self;
    /// Returns `self − other`.
    fn sub(self, other: Self) -> Self;
    /// Returns `self · other`.
    fn mul(self, other: Self) -> Self;
    /// Returns `self / other`.
    fn div(self, other: Self) -> Self;
    /// Returns the square root.
    fn sqrt(self) -> Self;
    /// Returns `self · factor + summand`, rounded once.
    fn fma(self, factor: Self, summand: Self) -> Self;
    /// Returns |self|.
    fn abs(self) -> Self;
    /// Returns `yes` in the lanes where `self > other`, `no` elsewhere and where either is not a number.
    fn select_greater(self, other: Self, yes: Self, no: Self) -> Self;
    /// Returns `value` in the lanes where `self > other`, +0 elsewhere and where either is not a number.
    #[inline(always)]
    fn zero_unless_greater(self, other: Self, value: Self) -> Self {
        self.select_greater(other, value, Self::splat(0.0))
    }
    /// Returns the smaller of the two; what is not a number stays so.
    #[inline(always)]
    fn at_most(self, most: Self) -> Self {
        self.select_greater(most, most, self)
    }
    /// Returns the greater of the two; what is not a number stays so.
    #[inline(always)]
    fn at_least(self, least: Self) -> Self {
        least.select_greater(self, least, self)
    }
    /// Returns |self| with the sign bit of `other`.
    fn copy_sign(self, other: Self) -> Self;
    /// Returns `self`, which is above 0, with the sign of `other`: +0 where that is zero or not a number.
    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        let zero = Self::splat(0.0);
        other.zero_unless_greater(zero, self).sub(zero.zero_unless_greater(other, self))
    }
    /// Returns a bit a lane, the first lane's lowest: whether it is not zero. What is not a number is not.
    fn nonzero(self) -> u16;
    /// Returns 2ⁿ of [`ROUND`] + n for whole numbers n in −126 ..= 127, 0 for −127; other lanes have no meaning, and the
    /// same none everywhere.
    fn power_of_two(self) -> Self;
    /// Splits positive normal numbers into (m, e) with x = m · 2ᵉ and √½ ≤ m < √2; other lanes have no meaning.
    fn split(self) -> (Self, Self);
    /// Returns the sum over the lanes by the fixed tree: lanes 8, then 4, 2 and 1 apart.
    fn sum(self) -> f32;

    /// Returns sixteen lines with rows and columns exchanged.
    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let (mut lines, mut columns) = ([Line::ZERO; LANES], [rows[0]; LANES]);
        for (line, row) in lines.iter_mut().zip(rows) {
            row.store(line);
        }
        for (index, column) in columns.iter_mut().enumerate() {
            let mut line = Line::ZERO;
            for (number, row) in line.0.iter_mut().zip(&lines) {
                *number = row.0[index];
            }
            *column = Self::load(&line);
        }
        columns
    }

    /// Returns +0 in the lanes that are below `least` in magnitude, `self` elsewhere. What is not a number stays so.
    #[inline(always)]
    fn zero_below(self, least: f32) -> Self {
        Self::splat(least).select_greater(self.abs(), Self::splat(0.0), self)
    }
    /// Returns the numbers as they are kept wherever products are made of them: below [`LEAST`] in magnitude is +0.
    #[inline(always)]
    fn clean(self) -> Self {
        self.zero_below(LEAST)
    }
    /// Returns the numbers as moments are kept, squares among them: below 2⁻¹²⁶ in magnitude is +0.
    #[inline(always)]
    fn clean_moment(self) -> Self {
        self.zero_below(f32::MIN_POSITIVE)
    }
}
