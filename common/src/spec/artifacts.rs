//! `[artifacts]`: which trials leave the weights that they ended with.

use super::document::{Problems, Table, shortened};
use super::suggest::did_you_mean;

/// The keys of `[artifacts]`.
const KEYS: [&str; 3] = ["weights", "trials_max", "mebibytes_max"];
/// The most trials of a sweep that leave their weights, unless the file says another number.
const TRIALS_MAX: u64 = 256;
/// The most MiB of one trial's weights: 4 million parameters.
const MEBIBYTES_MAX: u64 = 16;
/// The largest that a file may say: what a checkpoint may have, too.
const MEBIBYTES_MOST: i64 = 1024;
/// More trials than this are no number to be counted to.
const TRIALS_MOST: i64 = 1 << 53;

/// Which trials of a sweep leave their weights. It follows from the sweep file alone, so that it is the same however often
/// and wherever the sweep runs; and it is no part of a trial's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Artifacts {
    /// Of which replicates.
    pub weights: WeightsOf,
    /// How many trials at most: the first ones of those in the order of the grid.
    pub trials_max: u64,
    /// How many MiB the weights of one trial may have.
    pub mebibytes_max: u64,
}

/// Of which replicates the weights are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WeightsOf {
    /// Of the first of every cell: what figures show.
    FirstReplicate,
    /// Of all.
    All,
    /// Of none.
    None,
}

/// How each is written in a file.
const NAMES: [(&str, WeightsOf); 3] =
    [("first_replicate", WeightsOf::FirstReplicate), ("all", WeightsOf::All), ("none", WeightsOf::None)];

impl Default for Artifacts {
    fn default() -> Artifacts {
        Artifacts { weights: WeightsOf::FirstReplicate, trials_max: TRIALS_MAX, mebibytes_max: MEBIBYTES_MAX }
    }
}

impl Artifacts {
    /// Returns how many bytes of weights the trial at `index` of a grid with so many `replicates` a cell may leave; 0 where
    /// it leaves none.
    pub fn weights_bytes_max(&self, index: u64, replicates: u64) -> u64 {
        let (is_chosen, before) = match self.weights {
            WeightsOf::FirstReplicate => (index.is_multiple_of(replicates), index / replicates),
            WeightsOf::All => (true, index),
            WeightsOf::None => (false, 0),
        };
        if is_chosen && before < self.trials_max { self.mebibytes_max << 20 } else { 0 }
    }
}

impl Problems {
    /// Reads `[artifacts]`.
    pub(super) fn artifacts(&mut self, root: &Table<'_>) -> Artifacts {
        let mut artifacts = Artifacts::default();
        let Some(table) = root.get("artifacts").and_then(|entry| self.table(entry.item, "artifacts")) else {
            return artifacts;
        };
        self.known_keys(&table, "[artifacts]", &KEYS);
        if let Some(entry) = table.get("weights")
            && let Some(name) = self.text(entry.item, "weights")
        {
            match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, weights)) => artifacts.weights = *weights,
                None => {
                    let help = did_you_mean(name, NAMES.iter().map(|(known, _)| *known));
                    let help =
                        help.unwrap_or_else(|| "write \"first_replicate\", \"all\" or \"none\"".to_owned());
                    let message = format!("weights are not kept of `{}`", shortened(name));
                    self.add(entry.item.span(), message, help);
                }
            }
        }
        let mut number = |key, most: i64, into: &mut u64| {
            let read = table.get(key).and_then(|entry| self.whole(entry.item, key, 1..most + 1));
            *into = read.map_or(*into, |number| number as u64);
        };
        number("trials_max", TRIALS_MOST, &mut artifacts.trials_max);
        number("mebibytes_max", MEBIBYTES_MOST, &mut artifacts.mebibytes_max);
        artifacts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_of_millions_leaves_the_weights_of_its_first_cells() {
        let artifacts = Artifacts::default();
        let bytes = |index| artifacts.weights_bytes_max(index, 3);
        assert_eq!([0, 1, 2, 3].map(bytes), [16 << 20, 0, 0, 16 << 20]);
        assert_eq!([3 * 255, 3 * 256, 3_000_000].map(bytes), [16 << 20, 0, 0]);
        let all = Artifacts { weights: WeightsOf::All, trials_max: 4, mebibytes_max: 1 };
        assert_eq!([0, 3, 4].map(|index| all.weights_bytes_max(index, 3)), [1 << 20, 1 << 20, 0]);
        let none = Artifacts { weights: WeightsOf::None, ..all };
        assert_eq!(none.weights_bytes_max(0, 3), 0);
    }
}
