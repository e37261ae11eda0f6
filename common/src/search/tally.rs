//! Counting cells by the values of a few settings, without enumerating them.

use super::overlap::values;
use super::region::Region;
use super::settings::Leaf;
use super::space::Space;
use crate::choice::Value;
use std::collections::BTreeMap;

/// The number of cells for each combination of values.
pub(crate) type Tally = BTreeMap<Vec<Option<Value>>, u64>;

/// Adds a region's cells to a tally by the values of `leaves`; `None` stands for a setting that does not exist.
pub(crate) fn add(space: &Space, region: &Region, leaves: &[Option<Leaf>], tally: &mut Tally) {
    let mut by_axis: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (place, leaf) in leaves.iter().enumerate() {
        let axis = leaf.and_then(|leaf| region.shape.depends[leaf]);
        by_axis.entry(axis).or_default().push(place);
    }
    let untouched =
        region.product.0.iter().enumerate().filter(|(axis, _)| !by_axis.contains_key(&Some(*axis)));
    let others: u64 = untouched.map(|(_, digits)| digits.len() as u64).product();
    let mut rows: Vec<(Vec<Option<Value>>, u64)> = vec![(vec![None; leaves.len()], others)];
    for (axis, places) in by_axis {
        let counted = count_values(space, region, leaves, axis, &places);
        let mut combined = Vec::with_capacity(rows.len() * counted.len());
        for (row, count) in &rows {
            for (values, times) in &counted {
                let mut row = row.clone();
                for (&place, value) in places.iter().zip(values) {
                    row[place] = value.cloned();
                }
                combined.push((row, count * times));
            }
        }
        rows = combined;
    }
    for (row, count) in rows {
        *tally.entry(row).or_default() += count;
    }
}

/// Returns the combinations of values that some leaves of one axis have over a region, with their numbers of digits.
fn count_values<'a>(
    space: &'a Space,
    region: &Region,
    leaves: &[Option<Leaf>],
    axis: Option<usize>,
    places: &[usize],
) -> BTreeMap<Vec<Option<&'a Value>>, u64> {
    let digits = axis.map_or(1, |axis| region.product.0[axis].len());
    let columns: Vec<Vec<Option<&Value>>> = places
        .iter()
        .map(|&place| {
            leaves[place].map_or_else(|| vec![None; digits], |leaf| values(space, region, leaf, axis))
        })
        .collect();
    let mut counted = BTreeMap::new();
    for digit in 0..digits {
        let row: Vec<Option<&Value>> = columns.iter().map(|column| column[digit]).collect();
        *counted.entry(row).or_default() += 1;
    }
    counted
}
