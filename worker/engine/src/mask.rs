//! Inverted dropout: which units are kept, as a function of (epoch, step, layer, sample, unit) alone.

use crate::kernel::lanes::{LANES, Lanes, Line};
use crate::kernel::{Kernel, Task};
use crate::matrix::Matrix;
use crate::random::{Key, WIDE, philox};

/// Dropout as the settings ask for it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Dropout {
    key: Key,
    /// A unit is kept when its 16-bit number is below this.
    kept_below: u32,
    /// What keeps the expectation: 1 / (share that is kept).
    scale: f32,
}

/// Where in a training masks are needed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Place {
    /// Counted from 0.
    pub(crate) epoch: u32,
    /// Counted from 0 within the epoch.
    pub(crate) step: u32,
    /// The hidden layer, counted from 0.
    pub(crate) layer: u32,
    /// Which sample of the step the first row is of.
    pub(crate) first_sample: u32,
}

impl Dropout {
    /// Returns dropout with this rate (0 ≤ rate < 1), or `None` where nothing is dropped.
    ///
    /// The share that is kept is rounded to a multiple of 2⁻¹⁶, at least one of them; the scale is that of the rounded
    /// share.
    pub(crate) fn new(rate: f64, key: Key) -> Option<Dropout> {
        let kept_below = ((1.0 - rate) * 65_536.0).round().max(1.0);
        (rate > 0.0).then_some(Dropout {
            key,
            kept_below: kept_below as u32,
            scale: (65_536.0 / kept_below) as f32,
        })
    }

    /// Draws a mask, 1 for what is kept and 0 for what is dropped, one row a sample.
    ///
    /// Unit u of sample s has 16-bit number u mod 8 (low half of a word first) of the words of counter
    /// (s · 2·⌈units/16⌉ + ⌊u/8⌋, layer, step, epoch).
    pub(crate) fn draw(self, kernel: Kernel, place: Place, mask: &mut Matrix) {
        kernel.run(Draw { dropout: self, place, mask });
    }

    /// Writes what is kept of `values`, scaled and cleaned, to `out`.
    pub(crate) fn drop_units(self, kernel: Kernel, mask: &Matrix, values: &Matrix, out: &mut Matrix) {
        out.lines_mut().copy_from_slice(values.lines());
        self.drop_in_place(kernel, mask, out);
    }

    /// Keeps, scales and cleans `values` where the mask does: for deltas on their way back.
    pub(crate) fn drop_in_place(self, kernel: Kernel, mask: &Matrix, values: &mut Matrix) {
        kernel.run(Select { scale: self.scale, mask: mask.lines(), values: values.lines_mut() });
    }
}

struct Draw<'a> {
    dropout: Dropout,
    place: Place,
    mask: &'a mut Matrix,
}

impl Task for Draw<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let lines_per_row = self.mask.columns().div_ceil(LANES);
        for panel in 0..self.mask.panels() {
            let first_line = panel * WIDE / 2;
            let width = self.mask.width(panel);
            for (sample, row) in self.mask.panel_mut(panel).chunks_exact_mut(width).enumerate() {
                let sample = self.place.first_sample as usize + sample;
                let block = 2 * (sample * lines_per_row + first_line);
                self.dropout.draw_row(self.place, block as u32, row);
            }
        }
    }
}

impl Dropout {
    /// Draws up to four lines, two counters each, from counter `block` on.
    #[inline(always)]
    fn draw_row(self, place: Place, block: u32, row: &mut [Line]) {
        let first = std::array::from_fn(|i| block.wrapping_add(i as u32));
        let words = philox(self.key, [first, [place.layer; WIDE], [place.step; WIDE], [place.epoch; WIDE]]);
        for (line, out) in row.iter_mut().enumerate() {
            for half in 0..2 {
                for (word, words) in words.iter().enumerate() {
                    let bits = words[2 * line + half];
                    out.0[8 * half + 2 * word] = self.kept(bits & 0xffff);
                    out.0[8 * half + 2 * word + 1] = self.kept(bits >> 16);
                }
            }
        }
    }

    #[inline(always)]
    fn kept(self, number: u32) -> f32 {
        f32::from(u8::from(number < self.kept_below))
    }
}

struct Select<'a> {
    scale: f32,
    mask: &'a [Line],
    values: &'a mut [Line],
}

impl Task for Select<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (zero, scale) = (L::splat(0.0), L::splat(self.scale));
        for (mask, value) in self.mask.iter().zip(self.values) {
            let scaled = L::load(value).mul(scale).clean();
            L::load(mask).select_greater(zero, scaled, zero).store(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridsweep_common::seed::{Purpose, SeedKey};

    const PLACE: Place = Place { epoch: 1, step: 2, layer: 0, first_sample: 0 };

    fn dropout(rate: f64) -> Dropout {
        let key = Key::new(SeedKey { root: 1, replicate: 0 }, Purpose::Dropout);
        Dropout::new(rate, key).expect("a rate above 0")
    }

    fn mask(rate: f64, rows: usize, units: usize, place: Place) -> Matrix {
        let mut mask = Matrix::zeros(rows, units);
        dropout(rate).draw(Kernel::detect(), place, &mut mask);
        mask
    }

    #[test]
    fn a_mask_depends_on_logical_indices_alone() {
        let (few, many) = (mask(0.5, 3, 97, PLACE), mask(0.5, 9, 97, PLACE));
        for sample in 0..3 {
            for unit in 0..97 {
                assert_eq!(few.get(sample, unit), many.get(sample, unit));
            }
        }
        for kernel in Kernel::available() {
            let mut other = Matrix::zeros(9, 97);
            dropout(0.5).draw(kernel, PLACE, &mut other);
            assert_eq!(other.lines(), many.lines(), "{}", kernel.name());
        }
    }

    #[test]
    fn a_part_of_a_step_has_its_part_of_the_mask() {
        let (all, part) = (mask(0.5, 9, 97, PLACE), mask(0.5, 3, 97, Place { first_sample: 5, ..PLACE }));
        for (sample, unit) in (0..3).flat_map(|sample| (0..97).map(move |unit| (sample, unit))) {
            assert_eq!(part.get(sample, unit), all.get(5 + sample, unit));
        }
    }

    #[test]
    fn masks_of_other_places_are_others() {
        let here = mask(0.5, 2, 64, PLACE);
        for place in [Place { epoch: 0, ..PLACE }, Place { step: 0, ..PLACE }, Place { layer: 1, ..PLACE }] {
            assert_ne!(mask(0.5, 2, 64, place).lines(), here.lines());
        }
    }

    #[test]
    fn the_share_that_is_dropped_is_the_rate() {
        let mask = mask(0.2, 500, 64, PLACE);
        let kept: f32 = mask.lines().iter().flat_map(|line| line.0).sum();
        // Five standard deviations of 32,000 units are 0.011.
        assert!((kept / 32_000.0 - 0.8).abs() < 0.011, "{kept}");
    }

    #[test]
    fn what_is_kept_is_scaled_up() {
        let mask = mask(0.75, 4, 16, PLACE);
        let mut values = mask.clone();
        values.lines_mut().fill(Line([1.0; LANES]));
        dropout(0.75).drop_in_place(Kernel::detect(), &mask, &mut values);
        for (value, kept) in
            values.lines().iter().flat_map(|l| l.0).zip(mask.lines().iter().flat_map(|l| l.0))
        {
            assert_eq!(value, 4.0 * kept);
        }
    }

    #[test]
    fn without_a_rate_there_is_no_dropout() {
        assert_eq!(Dropout::new(0.0, Key::new(SeedKey { root: 1, replicate: 0 }, Purpose::Dropout)), None);
    }
}
