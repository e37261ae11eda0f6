//! Where the variance of a metric over a grid comes from: main effects and interactions of the axes.

/// No grid with more axes of two levels or more is taken apart: the number of interactions doubles with each.
pub const AXES_MAX: usize = 8;

/// The variance over a grid, taken apart.
#[derive(Clone, PartialEq, Debug)]
pub struct Decomposition {
    /// Main effects in the order of the axes, then interactions of two axes, and so on. Axes of one level have none.
    pub effects: Vec<Effect>,
    /// What differs between the replicates of a cell.
    pub within: Part,
    /// Everything: the sum of the parts.
    pub total: Part,
}

/// What some axes together change, beyond what fewer of them do.
#[derive(Clone, PartialEq, Debug)]
pub struct Effect {
    /// The axes, by their numbers from 0, growing: one is a main effect, several are an interaction.
    pub axes: Vec<usize>,
    /// How much.
    pub part: Part,
}

/// A sum of squares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Part {
    /// Its degrees of freedom.
    pub dof: usize,
    /// The sum of squares, not negative.
    pub sum_of_squares: f64,
}

impl Decomposition {
    /// Returns the share of a part in all variance, η² = SS/SS_total (Fisher, Statistical Methods for Research Workers,
    /// 1925; as the importance of hyperparameters: Hutter, Hoos and Leyton-Brown, ICML 2014). `None` where nothing varies.
    pub fn share(&self, part: Part) -> Option<f64> {
        (self.total.sum_of_squares > 0.0).then(|| part.sum_of_squares / self.total.sum_of_squares)
    }
}

/// Takes the variance over a complete balanced grid apart. `levels` are the numbers of levels of its axes, `cells` the
/// replicates of each cell, the last axis fastest. `None` unless every combination has the same number of replicates, at
/// least one, and for more than [`AXES_MAX`] axes.
///
/// The effect of a set of axes at a combination of their levels is Π(I − P_j) Π P_k of the cells' means, j over the axes of
/// the set and k over the others, where P averages along an axis; its sum of squares is that of the effect over all cells
/// and replicates. On a balanced grid these are orthogonal, so they add up to the total exactly and are the same for sums
/// of squares of type I, II and III (Scheffé, The Analysis of Variance, 1959, chapter 4; Montgomery, Design and Analysis of
/// Experiments, chapter 5).
pub fn decompose(levels: &[usize], cells: &[&[f64]]) -> Option<Decomposition> {
    let replicates = cells.first()?.len();
    let is_complete = levels.iter().try_fold(1usize, |all, n| all.checked_mul(*n)) == Some(cells.len());
    let is_balanced = replicates > 0 && cells.iter().all(|cell| cell.len() == replicates);
    let varied: Vec<usize> = (0..levels.len()).filter(|axis| levels[*axis] > 1).collect();
    if !is_complete || !is_balanced || varied.len() > AXES_MAX {
        return None;
    }
    let means: Vec<f64> = cells.iter().filter_map(|cell| super::mean(cell)).collect();
    let mut effects = Vec::new();
    let mut add = |axes: &[usize], effect: &[f64]| {
        if !axes.is_empty() {
            let sum_of_squares = replicates as f64 * squares(effect.iter().copied());
            let dof = axes.iter().map(|axis| levels[*axis] - 1).product();
            effects.push(Effect { axes: axes.to_vec(), part: Part { dof, sum_of_squares } });
        }
    };
    split(levels, &varied, means.clone(), &mut Vec::new(), &mut add);
    effects.sort_by_key(|effect| (effect.axes.len(), effect.axes.clone()));
    let within = cells.iter().zip(&means).map(|(cell, mean)| squares(cell.iter().map(|value| value - mean)));
    let within = Part { dof: cells.len() * (replicates - 1), sum_of_squares: within.sum() };
    let parts = || effects.iter().map(|effect| effect.part).chain([within]);
    let total = Part {
        dof: parts().map(|part| part.dof).sum(),
        sum_of_squares: parts().map(|part| part.sum_of_squares).sum(),
    };
    Some(Decomposition { effects, within, total })
}

fn squares(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum()
}

/// Hands `add` the effect of every subset of `axes` together with those in `taken`, from `values` to which the operators of
/// all other axes have been applied.
fn split(
    levels: &[usize],
    axes: &[usize],
    values: Vec<f64>,
    taken: &mut Vec<usize>,
    add: &mut impl FnMut(&[usize], &[f64]),
) {
    let Some((axis, rest)) = axes.split_first() else {
        add(taken, &values);
        return;
    };
    let averages = averaged(levels, *axis, &values);
    let differences = values.iter().zip(&averages).map(|(value, average)| value - average).collect();
    split(levels, rest, averages, taken, add);
    taken.push(*axis);
    split(levels, rest, differences, taken, add);
    taken.pop();
}

/// Replaces every value by the mean along an axis.
fn averaged(levels: &[usize], axis: usize, values: &[f64]) -> Vec<f64> {
    let stride: usize = levels[axis + 1..].iter().product();
    let block = stride * levels[axis];
    let mut averages = vec![0.0; values.len()];
    for start in (0..values.len()).filter(|at| at % block < stride) {
        let along = || (0..levels[axis]).map(|level| start + level * stride);
        let first = values[start];
        // Shifted by the first, as every mean here.
        let sum: f64 = along().map(|at| values[at] - first).sum();
        let mean = first + sum / levels[axis] as f64;
        along().for_each(|at| averages[at] = mean);
    }
    averages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decomposed(levels: &[usize], cells: &[Vec<f64>]) -> Option<Decomposition> {
        decompose(levels, &cells.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn an_additive_grid_has_main_effects_alone() {
        // 10 a + b over a 2 × 3 grid, two equal replicates.
        let cells: Vec<Vec<f64>> = (0..6).map(|c| vec![f64::from(10 * (c / 3) + c % 3); 2]).collect();
        let found = decomposed(&[2, 3], &cells).unwrap();
        let parts: Vec<_> =
            found.effects.iter().map(|e| (e.axes.clone(), e.part.dof, e.part.sum_of_squares)).collect();
        assert_eq!(parts, [(vec![0], 1, 300.0), (vec![1], 2, 8.0), (vec![0, 1], 2, 0.0)]);
        assert_eq!((found.within.dof, found.within.sum_of_squares), (6, 0.0));
        assert_eq!(found.share(found.effects[0].part), Some(300.0 / 308.0));
    }

    #[test]
    fn a_pure_interaction_is_no_main_effect() {
        let cells: Vec<Vec<f64>> = [1.0, -1.0, -1.0, 1.0].map(|value| vec![value]).to_vec();
        let found = decomposed(&[2, 2], &cells).unwrap();
        let shares: Vec<_> = found.effects.iter().map(|effect| found.share(effect.part).unwrap()).collect();
        assert_eq!(shares, [0.0, 0.0, 1.0]);
        assert_eq!(found.within.dof, 0);
    }

    #[test]
    fn the_parts_add_up_to_the_variance_around_the_grand_mean() {
        let value = |n: usize| ((n * 7919 + 13) % 101) as f64 / 101.0;
        let levels = [3, 1, 2, 4];
        let cells: Vec<Vec<f64>> = (0..24).map(|c| (0..5).map(|r| value(5 * c + r)).collect()).collect();
        let found = decomposed(&levels, &cells).unwrap();
        assert_eq!(found.effects.len(), 7, "the axis of one level has no effect");
        let all: Vec<f64> = cells.concat();
        let about_mean = super::super::sample_variance(&all).unwrap() * (all.len() - 1) as f64;
        assert!((found.total.sum_of_squares / about_mean - 1.0).abs() < 1e-12);
        assert_eq!(found.total.dof, all.len() - 1);
    }

    #[test]
    fn an_incomplete_or_unbalanced_grid_is_refused() {
        let cells = |counts: &[usize]| counts.iter().map(|n| vec![0.5; *n]).collect::<Vec<_>>();
        assert!(decomposed(&[2, 2], &cells(&[2, 2, 2, 2])).is_some());
        assert!(decomposed(&[2, 2], &cells(&[2, 2, 2])).is_none());
        assert!(decomposed(&[2, 2], &cells(&[2, 2, 2, 1])).is_none());
        assert!(decomposed(&[2, 2], &cells(&[0, 0, 0, 0])).is_none());
        assert!(decomposed(&[2], &[]).is_none());
        assert!(decomposed(&[2; 9], &cells(&[1; 512])).is_none(), "too many interactions");
    }

    #[test]
    fn nothing_that_varies_has_no_shares() {
        let found = decomposed(&[2], &[vec![0.1; 3], vec![0.1; 3]]).unwrap();
        assert_eq!(found.share(found.within), None);
    }
}
