//! Which cells of a study are shown, and what they are called.

use super::{FigureError, FigureSpec, Pick, Subject};
use crate::metric::Ending;
use crate::stats::{Summary, TQuantiles};
pub(super) use crate::table::text::spoken;
use crate::table::{CellResults, Counts, Heading, Label, Quantity, Replicate, best_cell};

impl FigureSpec {
    /// Returns the places of the cells that are shown, in the study's order.
    pub fn select(&self, cells: &[CellResults]) -> Vec<usize> {
        let is_meant = |cell: &CellResults| {
            self.only.iter().all(|(setting, values)| {
                cell.choices.get(setting).is_some_and(|value| values.contains(value))
            })
        };
        let meant: Vec<usize> = (0..cells.len()).filter(|&place| is_meant(&cells[place])).collect();
        match self.pick {
            Pick::All => meant,
            Pick::Best(metric) => {
                let candidates: Vec<CellResults> = meant.iter().map(|&place| cells[place].clone()).collect();
                best_cell(&candidates, metric).map(|best| meant[best]).into_iter().collect()
            }
        }
    }

    /// Returns the same, or the error that there is none. While no cell can be called the best, it is the first.
    pub(super) fn selected(&self, study: &Subject<'_>) -> Result<Vec<usize>, FigureError> {
        let places = self.select(study.cells);
        if !places.is_empty() {
            return Ok(places);
        }
        let all = FigureSpec { pick: Pick::All, ..self.clone() }.select(study.cells);
        all.first().map(|&first| vec![first]).ok_or(FigureError::NoCells)
    }
}

/// What tells the shown cells apart.
pub(super) struct Names {
    settings: Vec<String>,
}

impl Names {
    /// Takes the settings of these axes in which the cells differ.
    pub(super) fn of<'a>(axes: impl IntoIterator<Item = &'a Heading>, cells: &[&CellResults]) -> Names {
        let settings = axes.into_iter().flat_map(|axis| axis.settings.iter());
        let differs = |setting: &&String| {
            let labels = cells.iter().map(|cell| Label::of(&cell.choices, setting));
            labels.clone().any(|label| Some(label) != labels.clone().next())
        };
        Names { settings: settings.filter(differs).cloned().collect() }
    }

    /// Writes those settings of a cell that it has: `regularizer l1, coefficient 0.001`; empty where none differs.
    pub(super) fn full(&self, cell: &CellResults) -> String {
        let known = self.settings.iter().map(|setting| (setting, Label::of(&cell.choices, setting)));
        let known = known.filter(|(_, label)| *label != Label::Absent);
        known.map(|(setting, label)| format!("{} {label}", spoken(setting))).collect::<Vec<_>>().join(", ")
    }
}

/// Says which replicates of a cell have no value; empty where all have one.
pub(super) fn lacking(counts: &Counts) -> String {
    counts.lacking()
}

/// Why nothing can be shown of a replicate.
pub(super) fn why_nothing(replicate: Option<&Replicate>) -> &'static str {
    match replicate {
        None => "no such replicate",
        Some(Replicate::Pending) => "not finished",
        Some(Replicate::Missing) => "failed",
        Some(Replicate::Finished(outcome)) => match outcome.ending {
            Ending::Diverged => "diverged",
            Ending::Succeeded => "nothing measured",
        },
    }
}

/// Returns mean and interval of a quantity over those replicates of a cell that have it.
pub(super) fn measure(cell: &CellResults, quantity: Quantity, quantiles: &mut TQuantiles) -> Option<Summary> {
    let value = |replicate: &Replicate| match replicate {
        Replicate::Finished(outcome) => quantity.of(outcome),
        Replicate::Pending | Replicate::Missing => None,
    };
    let values: Vec<f64> = cell.replicates.iter().filter_map(value).collect();
    quantiles.summarize(&values)
}
