//! Softmax and cross-entropy, in nats.

use crate::kernel::lanes::{LANES, Lanes, Line};
use crate::kernel::{Kernel, Task};
use crate::math;
use crate::matrix::Matrix;

/// The most lines that a row of logits has: 256 classes, the values of a label.
const LINES_MOST: usize = 16;

/// What the loss leaves of a batch, and its workspace.
#[derive(Default, Debug)]
pub(crate) struct Losses {
    /// Σ exp(z − max z) of each sample, then its loss; 16 samples a line.
    sums: Vec<Line>,
    /// z − max z of each sample's true class.
    targets: Vec<Line>,
    /// The class with the largest logit, the first of equals.
    predictions: Vec<u8>,
}

impl Losses {
    /// Computes the samples' cross-entropies −ln softmax(z)[label], which [`total`] sums up, and their predictions.
    ///
    /// `logits` is samples × classes, cleaned. What is not a number or infinite shows in the sum.
    pub(crate) fn evaluate(&mut self, kernel: Kernel, logits: &Matrix, labels: &[u8]) {
        self.run(kernel, logits, labels, None);
    }

    /// The same, and replaces `deltas` (samples × classes) by the gradient of the mean over the `count` samples of the
    /// step, of which these may be a part: (softmax(z) − \[class = label\]) / count, cleaned.
    pub(crate) fn differentiate(
        &mut self,
        kernel: Kernel,
        logits: &Matrix,
        labels: &[u8],
        (deltas, count): (&mut Matrix, usize),
    ) {
        self.run(kernel, logits, labels, Some((deltas, count as f32)));
    }

    fn run(&mut self, kernel: Kernel, logits: &Matrix, labels: &[u8], deltas: Option<(&mut Matrix, f32)>) {
        let lines = labels.len().div_ceil(LANES);
        self.sums.clear();
        self.sums.resize(lines, Line([1.0; LANES]));
        self.targets.clear();
        self.targets.resize(lines, Line::ZERO);
        self.predictions.clear();
        kernel.run(CrossEntropy { losses: self, logits, labels, deltas });
    }

    /// Returns the predicted class of each sample of the last batch.
    pub(crate) fn predictions(&self) -> &[u8] {
        &self.predictions
    }

    /// Returns how many samples of the last batch were classified as their labels say.
    pub(crate) fn right(&self, labels: &[u8]) -> u64 {
        self.predictions.iter().zip(labels).filter(|(a, b)| a == b).count() as u64
    }
}

/// Returns the sum of all samples' losses: 16 lanes of samples, then the tree. Those of a step that follow one another may
/// be in several parts, each of whole lines but for the last.
pub(crate) fn total<'a>(kernel: Kernel, parts: impl Iterator<Item = &'a Losses>) -> f32 {
    kernel.run(Total(parts.flat_map(|losses| &losses.sums)))
}

struct Total<I>(I);

impl<'a, I: Iterator<Item = &'a Line>> Task for Total<I> {
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f32 {
        let mut sum = L::splat(0.0);
        for line in self.0 {
            sum = sum.add(L::load(line));
        }
        sum.sum()
    }
}

struct CrossEntropy<'a> {
    losses: &'a mut Losses,
    logits: &'a Matrix,
    labels: &'a [u8],
    deltas: Option<(&'a mut Matrix, f32)>,
}

impl Task for CrossEntropy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let whole_lines = if self.logits.columns() <= LANES { self.labels.len() / LANES } else { 0 };
        for line in 0..whole_lines {
            self.sixteen_samples::<L>(line);
        }
        for sample in whole_lines * LANES..self.labels.len() {
            self.sample::<L>(sample);
        }
        for (line, target) in self.losses.sums.iter_mut().zip(&self.losses.targets) {
            math::ln(L::load(line)).sub(L::load(target)).clean().store(line);
        }
    }
}

impl CrossEntropy<'_> {
    /// What [`CrossEntropy::sample`] does, to the bit, for sixteen samples of sixteen classes at most: a line is a class here, a
    /// lane a sample.
    #[inline(always)]
    fn sixteen_samples<L: Lanes>(&mut self, line: usize) {
        let (samples, classes) = (line * LANES..(line + 1) * LANES, self.logits.columns());
        let logits = transposed::<L>(&self.logits.panel(0)[samples.clone()]);
        let (predictions, most) = largest_of_each(&logits[..classes]);
        self.losses.predictions.extend(predictions.0.map(|class| class as u8));
        let labels = label_line(&self.labels[samples.clone()]);
        let mut target = L::splat(0.0);
        // Where there is no class, as if its logit were −∞.
        let none = math::exp(L::splat(f32::NEG_INFINITY).sub(most)).clean();
        let mut powers = [none; LANES];
        for (class, power) in powers[..classes].iter_mut().enumerate() {
            let less = logits[class].sub(most);
            target = if_label(&labels, class, less, target);
            *power = math::exp(less).clean();
        }
        let sum = sum_of_each(powers);
        target.store(&mut self.losses.targets[line]);
        sum.store(&mut self.losses.sums[line]);
        let Some((deltas, count)) = &mut self.deltas else { return };
        let (count, none) = (L::splat(*count), none.div(sum));
        let mut gradient = [none.div(count).clean(); LANES];
        for (class, gradient) in gradient[..classes].iter_mut().enumerate() {
            let share = powers[class].div(sum);
            let share = if_label(&labels, class, share.sub(L::splat(1.0)), share);
            *gradient = share.div(count).clean();
        }
        for (row, out) in L::transpose(gradient).into_iter().zip(&mut deltas.panel_mut(0)[samples]) {
            row.store(out);
        }
    }

    #[inline(always)]
    fn sample<L: Lanes>(&mut self, sample: usize) {
        let mut row = [Line::ZERO; LINES_MOST];
        let lines = gather(self.logits, sample, &mut row);
        let (prediction, most) = largest(&row, self.logits.columns());
        let label = usize::from(self.labels[sample]);
        self.losses.predictions.push(prediction as u8);
        self.losses.targets[sample / LANES].0[sample % LANES] = row[label / LANES].0[label % LANES] - most;
        let sum = exponentials::<L>(&mut row[..lines], most);
        self.losses.sums[sample / LANES].0[sample % LANES] = sum;
        if let Some((deltas, count)) = &mut self.deltas {
            let count = *count;
            let of_label = (row[label / LANES].0[label % LANES] / sum - 1.0) / count;
            scale::<L>(&mut row[..lines], sum, count);
            scatter(&row, deltas, sample);
            deltas.set(sample, label, of_label);
        }
    }
}

/// Loads sixteen rows with rows and columns exchanged.
#[inline(always)]
fn transposed<L: Lanes>(rows: &[Line]) -> [L; LANES] {
    let mut lanes = [L::splat(0.0); LANES];
    for (lanes, row) in lanes.iter_mut().zip(rows) {
        *lanes = L::load(row);
    }
    L::transpose(lanes)
}

/// Returns the first class with the largest logit of each sample, and that logit.
#[inline(always)]
fn largest_of_each<L: Lanes>(logits: &[L]) -> (Line, L) {
    let (mut best, mut most) = (L::splat(0.0), L::splat(f32::NEG_INFINITY));
    for (class, logit) in logits.iter().enumerate() {
        best = logit.select_greater(most, L::splat(class as f32), best);
        most = logit.select_greater(most, *logit, most);
    }
    let mut line = Line::ZERO;
    best.store(&mut line);
    (line, most)
}

/// Returns labels as numbers.
#[inline(always)]
fn label_line(labels: &[u8]) -> Line {
    let mut line = Line::ZERO;
    for (number, label) in line.0.iter_mut().zip(labels) {
        *number = f32::from(*label);
    }
    line
}

/// Returns `yes` for the samples whose label is `class`, `no` for the others.
#[inline(always)]
fn if_label<L: Lanes>(labels: &Line, class: usize, yes: L, no: L) -> L {
    let apart = L::load(labels).sub(L::splat(class as f32)).abs();
    L::splat(0.5).select_greater(apart, yes, no)
}

/// Returns the sum of each sample's sixteen numbers, by the tree of [`Lanes::sum`].
#[inline(always)]
fn sum_of_each<L: Lanes>(mut numbers: [L; LANES]) -> L {
    for distance in [8, 4, 2, 1] {
        for class in 0..distance {
            numbers[class] = numbers[class].add(numbers[class + distance]);
        }
    }
    numbers[0]
}

/// Copies a row of logits, −∞ beyond the last class, and returns how many lines it has.
#[inline(always)]
fn gather(logits: &Matrix, sample: usize, row: &mut [Line; LINES_MOST]) -> usize {
    let (classes, mut lines) = (logits.columns(), 0);
    for panel in 0..logits.panels() {
        let width = logits.width(panel);
        row[lines..lines + width].copy_from_slice(&logits.panel(panel)[sample * width..][..width]);
        lines += width;
    }
    for class in classes..lines * LANES {
        row[class / LANES].0[class % LANES] = f32::NEG_INFINITY;
    }
    lines
}

/// Copies a row of deltas to its panels.
#[inline(always)]
fn scatter(row: &[Line; LINES_MOST], deltas: &mut Matrix, sample: usize) {
    let mut lines = 0;
    for panel in 0..deltas.panels() {
        let width = deltas.width(panel);
        deltas.panel_mut(panel)[sample * width..][..width].copy_from_slice(&row[lines..lines + width]);
        lines += width;
    }
}

/// Returns the first class with the largest logit, and that logit.
#[inline(always)]
fn largest(row: &[Line; LINES_MOST], classes: usize) -> (usize, f32) {
    let (mut best, mut most) = (0, f32::NEG_INFINITY);
    for class in 0..classes {
        let logit = row[class / LANES].0[class % LANES];
        if logit > most {
            (best, most) = (class, logit);
        }
    }
    (best, most)
}

/// Replaces z by exp(z − most), cleaned, and returns the sum: 16 lanes of classes, then the tree.
#[inline(always)]
fn exponentials<L: Lanes>(row: &mut [Line], most: f32) -> f32 {
    let mut sum = L::splat(0.0);
    for line in row {
        let power = math::exp(L::load(line).sub(L::splat(most))).clean();
        power.store(line);
        sum = sum.add(power);
    }
    sum.sum()
}

/// Replaces e by (e / sum) / count, cleaned.
#[inline(always)]
fn scale<L: Lanes>(row: &mut [Line], sum: f32, count: f32) {
    for line in row {
        L::load(line).div(L::splat(sum)).div(L::splat(count)).clean().store(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(rows: &[&[f32]]) -> Matrix {
        let mut logits = Matrix::zeros(rows.len(), rows[0].len());
        for (r, row) in rows.iter().enumerate() {
            row.iter().enumerate().for_each(|(c, &z)| logits.set(r, c, z));
        }
        logits
    }

    #[test]
    fn loss_and_gradient_are_those_of_softmax() {
        let logits = logits(&[&[1.0, 2.0, -1.0], &[0.0, 0.0, 0.0]]);
        let mut deltas = Matrix::zeros(2, 3);
        let mut losses = Losses::default();
        losses.differentiate(Kernel::detect(), &logits, &[2, 0], (&mut deltas, 2));
        let sum = total(Kernel::detect(), [&losses].into_iter());
        let exponentials = 1f64.exp() + 2f64.exp() + (-1f64).exp();
        let expected = exponentials.ln() + 1.0 + 3f64.ln();
        assert!((f64::from(sum) - expected).abs() < 1e-6, "{sum} {expected}");
        let expected = [1f64, 2.0, -1.0].map(|z| z.exp() / exponentials);
        let expected = [expected[0], expected[1], expected[2] - 1.0];
        for (class, expected) in expected.into_iter().enumerate() {
            assert!((f64::from(deltas.get(0, class)) - expected / 2.0).abs() < 1e-7);
        }
        assert_eq!(losses.predictions(), [1, 0]);
        assert_eq!(losses.right(&[1, 1]), 1);
    }

    /// What sixteen samples at once leave, beside each for itself: a last line that is not whole takes the other way.
    #[test]
    fn samples_are_the_same_alone_and_sixteen_at_once() {
        let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 1e-38, -200.0, 3e38];
        for classes in [1, 2, 10, 16] {
            let number = |sample: usize, class: usize| match sample {
                7 => 0.25,
                8 => special[class % special.len()],
                9 => special[(classes - class) % 2 + 3],
                10 => f32::NEG_INFINITY,
                _ => ((sample * 37 + class * 11) % 29) as f32 * 0.37 - 4.0,
            };
            let row = |sample| (0..classes).map(|class| number(sample, class)).collect::<Vec<_>>();
            let rows: Vec<Vec<f32>> = (0..LANES).map(row).collect();
            let labels: Vec<u8> = (0..LANES).map(|sample| (sample * 5 % classes) as u8).collect();
            for kernel in Kernel::available() {
                let together = of(kernel, &rows, &labels);
                for sample in 0..LANES {
                    let alone = of(kernel, &rows[sample..=sample], &labels[sample..=sample]);
                    assert_eq!(
                        together[sample],
                        alone[0],
                        "{} sample {sample}, {classes} classes",
                        kernel.name()
                    );
                }
            }
        }
    }

    /// Returns the bits of each sample's loss and deltas, beyond the classes too, and its prediction. Numbers that are none
    /// are all the same.
    fn of(kernel: Kernel, rows: &[Vec<f32>], labels: &[u8]) -> Vec<(Vec<u32>, u8)> {
        let logits = logits(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (mut losses, mut deltas) = (Losses::default(), Matrix::zeros(rows.len(), rows[0].len()));
        losses.differentiate(kernel, &logits, labels, (&mut deltas, 100));
        let bits = |number: f32| if number.is_nan() { f32::NAN.to_bits() } else { number.to_bits() };
        let sample = |sample: usize| {
            let loss = losses.sums[sample / LANES].0[sample % LANES];
            let numbers = std::iter::once(loss).chain(deltas.lines()[sample].0);
            (numbers.map(bits).collect(), losses.predictions[sample])
        };
        (0..rows.len()).map(sample).collect()
    }

    #[test]
    fn every_class_counts_however_many_there_are() {
        for classes in [1, 2, 16, 17, 64, 65, 256] {
            let zeros = vec![0.0; classes];
            let logits = logits(&[&zeros]);
            let mut losses = Losses::default();
            let label = (classes - 1) as u8;
            let mut deltas = Matrix::zeros(1, classes);
            losses.differentiate(Kernel::detect(), &logits, &[label], (&mut deltas, 1));
            let sum = total(Kernel::detect(), [&losses].into_iter());
            assert!((f64::from(sum) - (classes as f64).ln()).abs() < 1e-6);
            let total: f32 = deltas.lines().iter().flat_map(|line| line.0).sum();
            assert!(total.abs() < 1e-6, "the gradient of softmax sums to zero: {total}");
        }
    }

    #[test]
    fn a_logit_that_is_no_number_shows_in_the_loss() {
        for wrong in [f32::NAN, f32::INFINITY] {
            let logits = logits(&[&[wrong, 0.0]]);
            let mut losses = Losses::default();
            losses.evaluate(Kernel::detect(), &logits, &[0]);
            let sum = total(Kernel::detect(), [&losses].into_iter());
            assert!(!sum.is_finite());
        }
    }
}
