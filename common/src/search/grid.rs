//! The full grid: studies as products of axes, united.

use super::check::{Fault, cell, check_applicability, check_axes, check_distinct, order};
use super::overlap::Facets;
use super::region::{Product, Region, count, nth, rank};
use super::settings::{Condition, Leaf};
use super::space::{Space, levels, varied};
use super::split::{PARTS_MOST, Part, TooManyParts, within_bounds};
use super::{Point, Search, tally};
use crate::choice::{Choices, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The most trials a sweep may have: what a signed 64-bit database column holds.
const TRIALS_MOST: u128 = i64::MAX as u128;

/// The union of a sweep's studies. Its order: the first study's cells, then those of the second that are not in the
/// first, and so on; within a study the last axis varies fastest.
#[derive(Clone, Debug)]
pub struct Grid {
    studies: Vec<StudyGrid>,
    replicates: u32,
}

/// The cells of one study.
#[derive(Clone, Debug)]
pub struct StudyGrid {
    space: Arc<Space>,
    /// All its cells, as disjoint regions.
    regions: Vec<Region>,
    /// Those that no earlier study has.
    fresh: Vec<Region>,
    excluded: Vec<Excluded>,
}

/// What one `[[study.exclude]]` takes away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excluded {
    /// The file's reason.
    pub reason: String,
    /// How many cells it takes from the study, those that an earlier one took not counted.
    pub cells: u64,
}

/// What one `[[study.exclude]]` asks for: cells where all of the conditions hold.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Exclusion {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) reason: String,
}

impl Grid {
    /// Unites studies, each of which has been checked; the error is about the study with the index beside it.
    pub(crate) fn unite(mut studies: Vec<StudyGrid>, replicates: u32) -> Result<Grid, (usize, Fault)> {
        let mut parts = studies.first().map_or(0, |study| study.regions.len());
        for index in 1..studies.len() {
            let (earlier, rest) = studies.split_at_mut(index);
            parts += rest.first().map_or(0, |study| study.regions.len());
            if parts > PARTS_MOST {
                return Err((index, Fault::TooManyParts));
            }
            if let Some(study) = rest.first_mut() {
                let fresh = study.without(earlier).map_err(|TooManyParts| (index, Fault::TooManyParts))?;
                study.fresh = fresh;
            }
        }
        let mut trials = 0;
        for (index, study) in studies.iter().enumerate() {
            trials += u128::from(study.new_cells()) * u128::from(replicates);
            if trials > TRIALS_MOST {
                return Err((index, Fault::TooLarge));
            }
        }
        Ok(Grid { studies, replicates })
    }

    /// Returns how many studies there are.
    pub fn study_count(&self) -> usize {
        self.studies.len()
    }

    /// Returns one study, counted from 0.
    ///
    /// # Panics
    /// Panics when there is no such study.
    pub fn study(&self, index: usize) -> &StudyGrid {
        &self.studies[index]
    }

    /// Returns how many replicates every cell has.
    pub fn replicates(&self) -> u32 {
        self.replicates
    }

    /// Returns the studies that a cell belongs to, counted from 0, in their order.
    pub fn studies_of(&self, choices: &Choices) -> Vec<usize> {
        (0..self.studies.len()).filter(|&index| self.studies[index].digits_of(choices).is_some()).collect()
    }

    /// Returns the position of a cell among all cells, shared ones counted at their place in the first study that has
    /// them, or `None` where no study does.
    pub fn position_of(&self, choices: &Choices) -> Option<u64> {
        let mut before = 0;
        for study in &self.studies {
            // The first study that has it has it among its new cells.
            if let Some(digits) = study.digits_of(choices) {
                return Some(before + rank(&study.fresh, &digits)?);
            }
            before += study.new_cells();
        }
        None
    }

    /// Returns how many cells are in both grids, without enumerating them; `None` where the two overlap in so
    /// irregular a way that it cannot be told without.
    pub fn shared_cells(&self, other: &Grid) -> Option<u64> {
        self.studies.iter().map(|study| study.shared_with(&other.studies).ok()).sum()
    }

    /// Returns the number of cells, shared ones once, for each combination of the values of a few settings; a setting
    /// that a cell does not have is `None`. Costs as much as there are combinations, not cells.
    pub fn tally(&self, settings: &[&str]) -> BTreeMap<Vec<Option<Value>>, u64> {
        let mut counted = BTreeMap::new();
        for study in &self.studies {
            let leaves: Vec<Option<Leaf>> =
                settings.iter().map(|name| study.space.settings.setting(name)).collect();
            study.fresh.iter().for_each(|region| tally::add(&study.space, region, &leaves, &mut counted));
        }
        counted
    }
}

impl Search for Grid {
    fn cells(&self) -> u64 {
        self.studies.iter().map(StudyGrid::new_cells).sum()
    }

    fn trials(&self) -> u64 {
        self.cells() * u64::from(self.replicates)
    }

    fn cell(&self, position: u64) -> Option<Choices> {
        let mut left = position;
        for study in &self.studies {
            if let Some((region, digits)) = nth(&study.fresh, left) {
                return Some(cell(&study.space, region, &digits));
            }
            left -= study.new_cells();
        }
        None
    }

    fn trial(&self, index: u64) -> Option<Point> {
        let replicates = u64::from(self.replicates);
        let choices = self.cell(index.checked_div(replicates)?)?;
        Some(Point { choices, replicate: (index % replicates) as u32 })
    }

    fn index_of(&self, choices: &Choices, replicate: u32) -> Option<u64> {
        if replicate >= self.replicates {
            return None;
        }
        Some(self.position_of(choices)? * u64::from(self.replicates) + u64::from(replicate))
    }
}

impl StudyGrid {
    /// Builds a study's grid and checks it, or returns all that is wrong with it.
    pub(crate) fn new(space: Space, exclusions: Vec<Exclusion>) -> Result<StudyGrid, Vec<Fault>> {
        let order = order(&space).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let built = build(&space, &order, exclusions, &mut faults);
        let (regions, excluded) = match built {
            Ok(built) if faults.is_empty() => built,
            Ok(_) => return Err(faults),
            Err(TooManyParts) => {
                faults.push(Fault::TooManyParts);
                return Err(faults);
            }
        };
        Ok(StudyGrid { space: Arc::new(space), fresh: regions.clone(), regions, excluded })
    }

    /// Returns how many cells the study has, also those that an earlier study has.
    pub fn cells(&self) -> u64 {
        count(&self.regions)
    }

    /// Returns how many of its cells no earlier study has.
    pub fn new_cells(&self) -> u64 {
        count(&self.fresh)
    }

    /// Returns the cell at `position`, counted from 0, the last axis fastest.
    pub fn cell(&self, position: u64) -> Option<Choices> {
        let (region, digits) = nth(&self.regions, position)?;
        Some(cell(&self.space, region, &digits))
    }

    /// Returns the cells at these positions, in order; positions past the end give nothing.
    pub fn cells_in(&self, positions: Range<u64>) -> impl Iterator<Item = Choices> + '_ {
        positions.map_while(|position| self.cell(position))
    }

    /// Returns the position of a cell by its complete choices, or `None` where the study does not have it.
    pub fn position_of(&self, choices: &Choices) -> Option<u64> {
        rank(&self.regions, &self.digits_of(choices)?)
    }

    /// Returns the settings that the axes vary, each with the values they give it, in their order.
    pub fn levels(&self) -> Vec<(&str, Vec<&Value>)> {
        let axes = &self.space.axes;
        let of = |leaf| (self.space.settings.rule(leaf).name.as_str(), levels(axes, leaf));
        varied(axes).into_iter().map(of).collect()
    }

    /// Returns what each `[[study.exclude]]` takes away, in the file's order.
    pub fn excluded(&self) -> &[Excluded] {
        &self.excluded
    }

    /// Returns the combination of alternatives that gives these complete choices.
    fn digits_of(&self, choices: &Choices) -> Option<Vec<u32>> {
        let settings = &self.space.settings;
        let wanted: Vec<Option<&Value>> = settings.setting_names().map(|name| choices.get(name)).collect();
        if wanted.iter().flatten().count() != choices.len() {
            return None;
        }
        self.regions.iter().find_map(|region| find_digits(&self.space, region, &wanted))
    }

    /// Returns the cells that none of the earlier studies has.
    fn without(&self, earlier: &[StudyGrid]) -> Result<Vec<Region>, TooManyParts> {
        let theirs = facets_of(earlier, &self.space);
        let mut fresh = Vec::new();
        for region in &self.regions {
            let pieces = overlaps(Facets::of(&self.space, region), &theirs)?;
            let rest = subtract(vec![region.product.clone()], &pieces)?;
            fresh.extend(rest.into_iter().map(|product| Region { product, shape: region.shape.clone() }));
            within_bounds(&fresh)?;
        }
        Ok(fresh)
    }

    /// Returns how many of its new cells are in any of these studies.
    fn shared_with(&self, others: &[StudyGrid]) -> Result<u64, TooManyParts> {
        let theirs = facets_of(others, &self.space);
        let mut left = 0;
        for region in &self.fresh {
            let pieces = overlaps(Facets::of(&self.space, region), &theirs)?;
            let rest = subtract(vec![region.product.clone()], &pieces)?;
            left += rest.iter().map(Product::count).sum::<u128>() as u64;
        }
        Ok(self.new_cells() - left)
    }
}

/// Splits a study's grid into regions, takes out what is excluded, and checks the rest.
fn build(
    space: &Space,
    order: &[usize],
    exclusions: Vec<Exclusion>,
    faults: &mut Vec<Fault>,
) -> Result<(Vec<Region>, Vec<Excluded>), TooManyParts> {
    let parts = space.split_by_existence(order)?;
    check_axes(space, &parts, faults);
    if parts.iter().fold(0u128, |sum, part| sum.saturating_add(part.product.count())) > TRIALS_MOST {
        faults.push(Fault::TooLarge);
        return Ok(Default::default());
    }
    let (parts, excluded) = exclude(space, parts, exclusions, faults)?;
    let mut regions = Vec::new();
    for part in parts {
        regions.extend(space.refine(part)?);
        within_bounds(&regions)?;
    }
    // Settings that an axis fails to give because it never exists are not worth a second message.
    if !faults.iter().any(|fault| matches!(fault, Fault::NeverExists(_))) {
        check_applicability(space, &regions, faults);
    }
    if faults.is_empty() {
        check_distinct(space, &regions, faults)?;
    }
    Ok((regions, excluded))
}

/// Takes out what is excluded.
fn exclude(
    space: &Space,
    parts: Vec<Part>,
    exclusions: Vec<Exclusion>,
    faults: &mut Vec<Fault>,
) -> Result<(Vec<Part>, Vec<Excluded>), TooManyParts> {
    let mut kept = parts.clone();
    let mut excluded = Vec::new();
    for (index, exclusion) in exclusions.into_iter().enumerate() {
        let mut cells = 0;
        for part in std::mem::take(&mut kept) {
            let split = space.split_by_all(part, &exclusion.conditions);
            cells += split.yes.iter().map(|part| part.product.count()).sum::<u128>() as u64;
            kept.extend(split.no);
            within_bounds(&kept)?;
        }
        let matches = |part: &Part| !space.split_by_all(part.clone(), &exclusion.conditions).yes.is_empty();
        if cells == 0 && !parts.iter().any(matches) {
            faults.push(Fault::NeverExcludes(index));
        }
        excluded.push(Excluded { reason: exclusion.reason, cells });
    }
    if kept.is_empty() {
        faults.push(Fault::Empty);
    }
    Ok((kept, excluded))
}

/// Returns the facets of all regions of some studies, their leaves in the order of `space`, then those that it lacks.
fn facets_of<'a>(studies: &'a [StudyGrid], space: &Space) -> Vec<Facets<'a>> {
    let mut facets = Vec::new();
    for study in studies {
        let theirs = &study.space.settings;
        let ours = space.settings.setting_names().map(|name| theirs.setting(name));
        let others = theirs.setting_names().enumerate();
        let lacking =
            others.filter(|(_, name)| space.settings.setting(name).is_none()).map(|(leaf, _)| Some(leaf));
        let order: Vec<Option<Leaf>> = ours.chain(lacking).collect();
        facets.extend(study.regions.iter().map(|region| Facets::of(&study.space, region).reordered(&order)));
    }
    facets
}

/// Returns the combinations of a region that are cells of any of the others; the products may overlap.
fn overlaps(ours: Facets<'_>, theirs: &[Facets<'_>]) -> Result<Vec<Product>, TooManyParts> {
    let ours = ours.padded_like(theirs.first());
    let mut pieces = Vec::new();
    for theirs in theirs {
        pieces.extend(ours.overlap(theirs)?);
        within_bounds(&pieces)?;
    }
    Ok(pieces)
}

/// Takes products out of products.
fn subtract(mut rest: Vec<Product>, pieces: &[Product]) -> Result<Vec<Product>, TooManyParts> {
    for piece in pieces {
        rest = rest.iter().flat_map(|product| product.without(piece)).collect();
        within_bounds(&rest)?;
    }
    Ok(rest)
}

/// Returns the combination of a region that has the wanted value for each setting.
fn find_digits(space: &Space, region: &Region, wanted: &[Option<&Value>]) -> Option<Vec<u32>> {
    let active = &region.shape.active;
    let mut digits = region.product.first();
    let mut leaves_of: Vec<Vec<Leaf>> = vec![Vec::new(); space.axes.len()];
    for (leaf, &value) in wanted.iter().enumerate() {
        match region.shape.depends[leaf] {
            Some(axis) => leaves_of[axis].push(leaf),
            None => {
                if space.value(active, &digits, leaf) != value {
                    return None;
                }
            }
        }
    }
    for (axis, leaves) in leaves_of.iter().enumerate() {
        let list = &region.product.0[axis];
        let mut fits = |digit: u32| {
            digits[axis] = digit;
            leaves.iter().all(|&leaf| space.value(active, &digits, leaf) == wanted[leaf])
        };
        let likely = space.digit_giving(axis, wanted).filter(|digit| list.binary_search(digit).is_ok());
        let found = likely.filter(|digit| fits(*digit));
        let found = found.or_else(|| list.iter().copied().find(|digit| fits(*digit)));
        digits[axis] = found?;
    }
    Some(digits)
}
