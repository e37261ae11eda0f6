//! What share each axis has in the variance of each quantity.

use super::build::quantities;
use super::{CellResults, Counts, Heading, Label, Quantity, Replicate, TableSpec};
use crate::metric::Ending;
use crate::stats::variance::{AXES_MAX, Part, decompose};
use std::collections::BTreeMap;

/// The shares of a study's axes in the variance between its trials.
#[derive(Clone, PartialEq, Debug)]
pub struct Effects {
    /// What stands above; [`effects`] leaves it to the caller.
    pub title: Option<String>,
    /// One column each.
    pub quantities: Vec<Quantity>,
    /// Axes, then their interactions, then what differs between replicates; empty where the grid has no such shares.
    pub sources: Vec<Source>,
    /// What a reader must know, a sentence each: also why there are no shares.
    pub notes: Vec<String>,
}

/// One source of variance.
#[derive(Clone, PartialEq, Debug)]
pub struct Source {
    /// The axes: one is a main effect, several an interaction, none what differs between the replicates of a cell.
    pub axes: Vec<String>,
    /// Its degrees of freedom.
    pub dof: usize,
    /// One share a quantity, within 0 … 1; `None` where the quantity has none.
    pub shares: Vec<Option<f64>>,
}

impl Source {
    /// Returns what people read: `activation × shape`.
    pub fn name(&self) -> String {
        if self.axes.is_empty() { "between replicates".to_owned() } else { self.axes.join(" × ") }
    }
}

/// Takes the variance of every quantity of `spec` over the study's cells apart, by its axes. On a grid that is not the full
/// product of them, or lacks values, it says why it does not.
pub fn effects(spec: &TableSpec, axes: &[Heading], cells: &[CellResults]) -> Effects {
    let quantities = quantities(&spec.cells, cells);
    let mut effects = Effects { title: None, quantities, sources: Vec::new(), notes: Vec::new() };
    match FullGrid::of(axes, cells) {
        Ok(grid) => effects.fill(&grid, cells),
        Err(why) => effects.notes.push(format!("no shares of the axes in the variance: {why}")),
    }
    effects
}

impl Effects {
    fn fill(&mut self, grid: &FullGrid<'_>, cells: &[CellResults]) {
        let mut refused = Vec::new();
        for (column, quantity) in self.quantities.clone().into_iter().enumerate() {
            match grid.shares(quantity, cells) {
                Ok(shares) => self.add(column, shares),
                Err(why) => refused.push(format!("{}: no shares: {why}", quantity.heading())),
            }
        }
        if !self.sources.is_empty() {
            let replicates = cells.first().map_or(0, |cell| cell.replicates.len());
            self.notes.push(format!(
                "shares of the sum of squares around the mean over all {} cells × {replicates} replicates: exact, as the grid is \
                 complete and balanced; the shares of a column add up to 1",
                cells.len()
            ));
            if replicates == 1 {
                let last = "with one replicate the interaction of all axes cannot be told from chance";
                self.notes.push(last.to_owned());
            }
        }
        self.notes.extend(refused);
    }

    /// Adds the shares of one quantity as a column.
    fn add(&mut self, column: usize, shares: Vec<Share>) {
        let columns = self.quantities.len();
        if self.sources.is_empty() {
            let empty = |share: &Share| Source {
                axes: share.axes.clone(),
                dof: share.dof,
                shares: vec![None; columns],
            };
            self.sources = shares.iter().map(empty).collect();
        }
        for (source, Share { share, .. }) in self.sources.iter_mut().zip(shares) {
            source.shares[column] = share;
        }
    }
}

/// What one source has in the variance of one quantity.
struct Share {
    axes: Vec<String>,
    dof: usize,
    share: Option<f64>,
}

/// A study whose cells are all combinations of the levels of its axes.
struct FullGrid<'a> {
    /// The axes with more than one level.
    axes: Vec<&'a Heading>,
    levels: Vec<usize>,
    /// Where each cell stands in the grid, the last axis fastest.
    order: Vec<usize>,
}

impl<'a> FullGrid<'a> {
    fn of(axes: &'a [Heading], cells: &[CellResults]) -> Result<FullGrid<'a>, String> {
        let mut grid = FullGrid { axes: Vec::new(), levels: Vec::new(), order: vec![0; cells.len()] };
        for axis in axes {
            let digits = digits_along(axis, cells)?;
            let levels = digits.iter().max().map_or(0, |last| last + 1);
            if levels > 1 {
                grid.axes.push(axis);
                grid.levels.push(levels);
                let places = grid.order.iter_mut().zip(digits);
                places.for_each(|(place, digit)| *place = place.saturating_mul(levels).saturating_add(digit));
            }
        }
        let all = grid.levels.iter().fold(1usize, |all, levels| all.saturating_mul(*levels));
        let mut seen: Vec<usize> = grid.order.clone();
        seen.sort_unstable();
        seen.dedup();
        if grid.axes.is_empty() {
            return Err("nothing is varied".to_owned());
        }
        if seen.len() < all {
            return Err(format!(
                "{} of the {all} combinations of the axes are not in the study",
                all - seen.len()
            ));
        }
        if grid.axes.len() > AXES_MAX {
            return Err(format!(
                "{} axes have too many interactions, {AXES_MAX} are the most",
                grid.axes.len()
            ));
        }
        Ok(grid)
    }

    /// Returns the axes, degrees of freedom and share of every source, or why there are none.
    fn shares(&self, quantity: Quantity, cells: &[CellResults]) -> Result<Vec<Share>, String> {
        let mut placed: Vec<&[f64]> = vec![&[]; cells.len()];
        let values: Vec<Vec<f64>> = cells.iter().map(|cell| values(quantity, cell)).collect();
        let all: usize = cells.iter().map(|cell| cell.replicates.len()).sum();
        let present: usize = values.iter().map(Vec::len).sum();
        if present < all {
            return Err(format!(
                "{} of {all} trials have no value ({})",
                all - present,
                causes(quantity, cells)
            ));
        }
        for (place, values) in self.order.iter().zip(&values) {
            placed[*place] = values;
        }
        let found = decompose(&self.levels, &placed).ok_or("the replicates of the cells are not as many")?;
        if found.share(found.total).is_none() {
            return Err("it is the same everywhere".to_owned());
        }
        let name = |axis: &usize| self.axes[*axis].name.clone();
        let share = |axes: &[usize], part: Part| Share {
            axes: axes.iter().map(name).collect(),
            dof: part.dof,
            share: found.share(part),
        };
        let effects = found.effects.iter().map(|effect| share(&effect.axes, effect.part));
        // One replicate has no variance between replicates.
        let within = (found.within.dof > 0).then(|| share(&[], found.within));
        Ok(effects.chain(within).collect())
    }
}

/// Numbers the levels of an axis in order of first appearance and returns each cell's.
fn digits_along(axis: &Heading, cells: &[CellResults]) -> Result<Vec<usize>, String> {
    let mut levels: BTreeMap<Vec<Label>, usize> = BTreeMap::new();
    let mut digits = Vec::with_capacity(cells.len());
    for cell in cells {
        let level: Vec<Label> =
            axis.settings.iter().map(|setting| Label::of(&cell.choices, setting)).collect();
        if level.contains(&Label::Absent) {
            return Err(format!("not every cell has a {}", axis.name));
        }
        let next = levels.len();
        digits.push(*levels.entry(level).or_insert(next));
    }
    Ok(digits)
}

fn values(quantity: Quantity, cell: &CellResults) -> Vec<f64> {
    let value = |replicate: &Replicate| match replicate {
        Replicate::Finished(outcome) => quantity.of(outcome),
        Replicate::Pending | Replicate::Missing => None,
    };
    cell.replicates.iter().filter_map(value).collect()
}

/// Names why values are missing: `1 diverged, 2 failed, 3 not finished`.
fn causes(quantity: Quantity, cells: &[CellResults]) -> String {
    let mut counts = [(0, "diverged"), (0, "failed"), (0, "not finished"), (0, "without such a value")];
    for cell in cells {
        let of = Counts::of(&cell.replicates);
        counts[1].0 += of.failed;
        counts[2].0 += of.pending;
        for replicate in &cell.replicates {
            let Replicate::Finished(outcome) = replicate else { continue };
            match (quantity.of(outcome), outcome.ending) {
                (Some(_), _) => {}
                (None, Ending::Diverged) => counts[0].0 += 1,
                (None, Ending::Succeeded) => counts[3].0 += 1,
            }
        }
    }
    let named = counts.iter().filter(|(count, _)| *count > 0);
    named.map(|(count, cause)| format!("{count} {cause}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::super::fixture::{cell, cells, diverged, heading, spec, succeeded};
    use super::*;
    use crate::metric::Metric;

    fn axes() -> Vec<Heading> {
        vec![heading("activation", &["activation"]), heading("shape", &["hidden", "batch_size"])]
    }

    fn asked() -> TableSpec {
        TableSpec {
            cells: vec![Column::Metric(Metric::TestAccuracy), Column::Metric(Metric::Epochs)],
            ..spec()
        }
    }

    /// A 2 × 2 grid: the shape does nothing, the activation much.
    fn grid() -> Vec<CellResults> {
        let of = |activation, hidden: &[f64], accuracy: f64| {
            let replicates = vec![succeeded(accuracy, 7, &[]), succeeded(accuracy + 0.02, 7, &[])];
            cell("none", None, activation, hidden, replicates)
        };
        vec![
            of("relu", &[8.0], 0.9),
            of("relu", &[4.0], 0.9),
            of("tanh", &[8.0], 0.8),
            of("tanh", &[4.0], 0.8),
        ]
    }

    #[test]
    fn every_axis_has_its_share_and_a_column_adds_up() {
        let found = effects(&asked(), &axes(), &grid());
        let names: Vec<String> = found.sources.iter().map(Source::name).collect();
        assert_eq!(names, ["activation", "shape", "activation × shape", "between replicates"]);
        let shares: Vec<f64> = found.sources.iter().map(|source| source.shares[0].unwrap()).collect();
        // SS: 8 · 0.05² between activations, 8 · 0.01² between replicates.
        assert!((shares[0] - 0.02 / 0.0208).abs() < 1e-12, "{shares:?}");
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(found.sources.iter().all(|source| source.shares[1].is_none()), "the epochs do not vary");
        assert!(found.notes.iter().any(|note| note == "epochs: no shares: it is the same everywhere"));
    }

    #[test]
    fn the_order_of_the_cells_does_not_matter() {
        let mut turned = grid();
        turned.swap(0, 3);
        let shares = |cells: &[CellResults]| effects(&asked(), &axes(), cells).sources[0].shares[0].unwrap();
        assert!((shares(&turned) - shares(&grid())).abs() < 1e-12);
    }

    fn refusal(axes: &[Heading], cells: &[CellResults]) -> String {
        let found = effects(&asked(), axes, cells);
        assert!(found.sources.is_empty());
        found.notes.join("\n")
    }

    #[test]
    fn what_is_no_complete_balanced_grid_is_refused_with_the_reason() {
        assert!(refusal(&axes(), &grid()[..3]).contains("1 of the 4 combinations"));
        assert!(refusal(&axes(), &grid()[..1]).contains("nothing is varied"));
        let with_condition = [axes(), vec![heading("coefficient", &["coefficient"])]].concat();
        assert!(refusal(&with_condition, &cells()).contains("not every cell has a coefficient"));
        let mut lost = grid();
        lost[0].replicates[0] = diverged(2);
        lost[1].replicates[1] = Replicate::Missing;
        lost[2].replicates[1] = Replicate::Pending;
        let says = "3 of 8 trials have no value (1 diverged, 1 failed, 1 not finished)";
        assert!(refusal(&axes(), &lost).contains(says));
    }
}
