//! The sentences under a table, without which its cells cannot be read.

use super::baseline::Missing;
use super::mark::Comparison;
use super::{Against, Counts, Mark, Measurement, Table};

/// With more cells than this, a caption warns that the best of many looks better than it is. The expected largest of
/// ten standard normal numbers is 1.5 standard errors above their mean (Harter, Biometrika 48, 1961).
const MANY_CELLS: usize = 10;

impl Table {
    /// Returns all lines that belong under the table: what its marks mean, in the words of a format (`*`, "bold"), then
    /// the notes.
    pub fn legend(&self, best: &str, tied: &str) -> Vec<String> {
        let mut lines = Vec::new();
        if self.has_mark(Mark::Best) {
            lines.push(format!(
                "{best}: the best mean of its metric among the cells with the most replicates"
            ));
        }
        if self.has_mark(Mark::Tied) {
            lines.push(format!(
                "{tied}: cannot be told from the best, the 95 % interval of the paired difference contains 0"
            ));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    fn has_mark(&self, mark: Mark) -> bool {
        self.measurements().any(|(_, measurement)| measurement.mark == mark)
    }

    fn measurements(&self) -> impl Iterator<Item = (Counts, &Measurement)> {
        self.cells()
            .flat_map(|cell| cell.entries.iter().filter_map(|entry| Some((cell.counts, entry.measured()?))))
    }

    fn cells(&self) -> impl Iterator<Item = &super::Cell> {
        self.rows.iter().flat_map(|row| row.cells.iter().flatten())
    }
}

/// Returns the notes that this table needs, and no others.
pub(super) fn of(table: &Table, comparison: Comparison, missing: Missing) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(how_values_are_made(table));
    notes.extend(how_the_best_was_picked(comparison));
    notes.extend(how_differences_are_made(table, missing));
    let any = |state: fn(&Counts) -> usize| table.cells().any(|cell| state(&cell.counts) > 0);
    let part = |(counts, m): (Counts, &Measurement)| m.summary.is_some_and(|s| s.n < counts.planned);
    if table.measurements().any(part) {
        notes.push("(2/3): the mean is over those 2 of 3 planned replicates that have a value".to_owned());
    }
    if any(|counts| counts.diverged) {
        notes.push(
            "diverged: a loss or a weight became not finite; such a replicate has no value for what needs final weights, \
             and its cell is not compared there"
                .to_owned(),
        );
    }
    if any(|counts| counts.failed) {
        notes.push("failed: no result by the machine's doing (failed, cancelled or quarantined)".to_owned());
    }
    if any(|counts| counts.pending) {
        notes.push("…: not finished yet".to_owned());
    }
    if table.measurements().any(|(_, measurement)| measurement.undefined > 0) {
        notes.push("undefined: training succeeded and the metric has no finite value".to_owned());
    }
    notes
}

fn how_values_are_made(table: &Table) -> Option<String> {
    let planned = || table.cells().map(|cell| cell.counts.planned);
    let (least, most) = (planned().min()?, planned().max()?);
    let replicates = if least == most { most.to_string() } else { format!("{least} to {most}") };
    Some(match most {
        0 => return None,
        1 => "one replicate a cell: values without an interval".to_owned(),
        _ => format!("mean ± half-width of the 95 % Student-t interval over {replicates} replicates"),
    })
}

fn how_the_best_was_picked(comparison: Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    if comparison.judged == 0 && comparison.unjudged > 0 {
        notes.push("whether cells differ from the best takes two replicates to judge".to_owned());
    } else if comparison.unjudged > 0 {
        notes.push("cells with fewer than two replicates in common with the best are not judged".to_owned());
    }
    if comparison.cells > MANY_CELLS {
        notes.push(format!(
            "the best of {} cells is picked by the same replicates that it is reported with: its mean is optimistic",
            comparison.cells
        ));
    }
    notes
}

fn how_differences_are_made(table: &Table, missing: Missing) -> Vec<String> {
    if table.baseline.is_empty() {
        return Vec::new();
    }
    let named = table.baseline.iter().map(|(setting, value)| format!("{setting}={value}"));
    let named = named.collect::<Vec<_>>().join(" ");
    let mut notes = vec![format!(
        "Δ: the mean of the differences to the cell with {named} and otherwise the same choices, replicate by replicate, \
         as they share their seeds, ± half-width of its 95 % Student-t interval; not corrected for the number of comparisons"
    )];
    let is_judged = |m: &Measurement| matches!(m.against, Against::Pairs(of) if of.won.is_some());
    if table.measurements().any(|(_, measurement)| is_judged(measurement)) {
        notes.push(
            "P(better): the share of these pairs in which the cell is the better one, a tie counted half, and its 95 % interval \
             (Wilson)"
                .to_owned(),
        );
    }
    let cells = |count: usize| format!("{count} cell{}", if count == 1 { "" } else { "s" });
    if missing.without > 0 {
        notes.push(format!("there is no baseline for {}", cells(missing.without)));
    }
    if missing.ambiguous > 0 {
        notes.push(format!(
            "{named} stands for several cells beside {}: name more of the settings",
            cells(missing.ambiguous)
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cell, cells, spec, succeeded, table};
    use super::super::{Replicate, build};

    fn notes_of(cells: usize, replicates: usize) -> String {
        let replicates: Vec<Replicate> =
            (0..replicates).map(|r| succeeded(0.9 + r as f64 / 100.0, 10, &[0.5, 0.5])).collect();
        let cells: Vec<_> =
            (0..cells).map(|c| cell("l1", Some(c as f64), "relu", &[8.0], replicates.clone())).collect();
        build(&spec(), &cells).legend("*", "~").join("\n")
    }

    #[test]
    fn a_note_stands_where_it_is_needed_and_only_there() {
        assert!(!notes_of(10, 3).contains("optimistic"));
        assert!(notes_of(11, 3).contains("best of 11 cells"));
        assert!(notes_of(2, 1).contains("takes two replicates"));
        assert!(!notes_of(2, 2).contains("takes two replicates"));
        assert!(!notes_of(1, 3).contains("*:"));
        for word in ["failed:", "diverged:", "…:", "(2/3)", "undefined:"] {
            assert!(!notes_of(3, 3).contains(word), "{word}");
        }
    }

    #[test]
    fn a_cell_that_shares_too_few_replicates_with_the_best_is_said_to_be_unjudged() {
        assert!(table().notes.iter().any(|note| note.contains("not judged")));
        let complete: Vec<_> =
            cells().into_iter().filter(|cell| cell.replicates.len() == 3).take(1).collect();
        assert!(!build(&spec(), &complete).notes.iter().any(|note| note.contains("not judged")));
    }
}
