//! Which cells two regions have in common, found without enumerating either.
//!
//! A region is a product of independent factors: each axis decides about some leaves, whatever the others do. A cell
//! of ours is also theirs when every leaf agrees, so each of their factors restricts our digits: one that touches the
//! leaves of a single axis of ours filters its digits; one that touches several is gone through value by value.

use super::region::{Product, Region};
use super::settings::Leaf;
use super::space::Space;
use super::split::{PARTS_MOST, TooManyParts};
use crate::choice::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a region's leaves can be.
pub(crate) struct Facets<'a> {
    pub(crate) region: &'a Region,
    leaves: Vec<Facet<'a>>,
}

/// The values of one leaf over a region.
#[derive(Clone)]
struct Facet<'a> {
    /// The axis that they depend on.
    axis: Option<usize>,
    /// One entry for each digit that the region has for that axis; one in all where it depends on none.
    values: Vec<Option<&'a Value>>,
    /// One bit for each value by its hash: regions whose masks are disjoint have no cell in common.
    mask: u64,
}

impl<'a> Facet<'a> {
    fn new(axis: Option<usize>, values: Vec<Option<&'a Value>>) -> Facet<'a> {
        let mask = values.iter().fold(0, |mask, value| {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            mask | 1 << (hasher.finish() % 64)
        });
        Facet { axis, values, mask }
    }
}

/// Returns the values of a leaf for each digit that a region has for `axis`, on which alone it depends.
pub(crate) fn values<'a>(
    space: &'a Space,
    region: &Region,
    leaf: Leaf,
    axis: Option<usize>,
) -> Vec<Option<&'a Value>> {
    let mut digits = region.product.first();
    let active = &region.shape.active;
    let Some(axis) = axis else {
        return vec![space.value(active, &digits, leaf)];
    };
    let value_at = |&digit: &u32| {
        digits[axis] = digit;
        space.value(active, &digits, leaf)
    };
    region.product.0[axis].iter().map(value_at).collect()
}

impl<'a> Facets<'a> {
    /// Works out what the settings of a region can be.
    pub(crate) fn of(space: &'a Space, region: &'a Region) -> Facets<'a> {
        let facet = |leaf: Leaf| {
            let axis = region.shape.depends[leaf];
            Facet::new(axis, values(space, region, leaf, axis))
        };
        Facets { region, leaves: (0..space.settings.setting_count()).map(facet).collect() }
    }

    /// Returns the same with the leaves in another order: `order` has the leaf for each place, if there is one.
    pub(crate) fn reordered(self, order: &[Option<Leaf>]) -> Facets<'a> {
        let absent = || Facet::new(None, vec![None]);
        let facet = |leaf: &Option<Leaf>| leaf.map_or_else(absent, |leaf| self.leaves[leaf].clone());
        Facets { region: self.region, leaves: order.iter().map(facet).collect() }
    }

    /// Returns the same with leaves at the end that no cell of the region has, so that there are as many as in `other`.
    pub(crate) fn padded_like(mut self, other: Option<&Facets<'_>>) -> Facets<'a> {
        let length = other.map_or(0, |other| other.leaves.len()).max(self.leaves.len());
        self.leaves.resize_with(length, || Facet::new(None, vec![None]));
        self
    }

    /// Returns which of this region's combinations are cells of the other region too, as disjoint products. Both have
    /// the same leaves in the same order.
    pub(crate) fn overlap(&self, other: &Facets<'_>) -> Result<Vec<Product>, TooManyParts> {
        if self.leaves.iter().zip(&other.leaves).any(|(ours, theirs)| ours.mask & theirs.mask == 0) {
            return Ok(Vec::new());
        }
        Overlap::new(self, other).find()
    }
}

/// The values of some leaves of one axis at one place in its digit list.
type Row<'a> = Vec<Option<&'a Value>>;

/// An axis of ours, leaves that it decides about, and the places of its digits by the values that they give these.
type Lookup<'a> = (usize, &'a [Leaf], BTreeMap<Row<'a>, Vec<usize>>);

/// For each axis the places in its digit list that are still possible.
type Places = Vec<Vec<usize>>;

/// One search for common cells.
struct Overlap<'a> {
    ours: &'a Facets<'a>,
    theirs: &'a Facets<'a>,
    our_places: Places,
    their_places: Places,
    /// For each axis of theirs, for each axis of ours that decides about some of the same leaves: those leaves.
    links: BTreeMap<usize, BTreeMap<usize, Vec<Leaf>>>,
}

impl<'a> Overlap<'a> {
    fn new(ours: &'a Facets<'a>, theirs: &'a Facets<'a>) -> Overlap<'a> {
        let places = |facets: &Facets<'_>| -> Places {
            facets.region.product.0.iter().map(|digits| (0..digits.len()).collect()).collect()
        };
        let (our_places, their_places) = (places(ours), places(theirs));
        Overlap { ours, theirs, our_places, their_places, links: BTreeMap::new() }
    }

    fn find(mut self) -> Result<Vec<Product>, TooManyParts> {
        if !self.compare_fixed_leaves() {
            return Ok(Vec::new());
        }
        let (single, several): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.links).into_iter().partition(|(_, touched)| touched.len() == 1);
        for (their_axis, touched) in single {
            for (our_axis, leaves) in touched {
                let possible: BTreeSet<_> = self.their_places[their_axis]
                    .iter()
                    .map(|&place| row(self.theirs, &leaves, place))
                    .collect();
                let ours = self.ours;
                self.our_places[our_axis].retain(|&place| possible.contains(&row(ours, &leaves, place)));
            }
        }
        if self.our_places.iter().chain(&self.their_places).any(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut pieces = vec![self.our_places.clone()];
        for (their_axis, touched) in &several {
            let mut narrowed = Vec::new();
            for piece in &pieces {
                narrowed.extend(self.narrow(piece, *their_axis, touched));
                if narrowed.len() > PARTS_MOST {
                    return Err(TooManyParts);
                }
            }
            pieces = narrowed;
        }
        Ok(pieces.iter().map(|piece| self.to_product(piece)).collect())
    }

    /// Keeps what agrees on each leaf that depends on an axis on one side at most, and notes the other leaves. Returns
    /// whether those agree that depend on none.
    fn compare_fixed_leaves(&mut self) -> bool {
        for leaf in 0..self.ours.leaves.len() {
            let (ours, theirs) = (&self.ours.leaves[leaf], &self.theirs.leaves[leaf]);
            match (ours.axis, theirs.axis) {
                (None, None) => {
                    if ours.values[0] != theirs.values[0] {
                        return false;
                    }
                }
                (Some(axis), None) => {
                    self.our_places[axis].retain(|&place| ours.values[place] == theirs.values[0]);
                }
                (None, Some(axis)) => {
                    self.their_places[axis].retain(|&place| theirs.values[place] == ours.values[0]);
                }
                (Some(our_axis), Some(their_axis)) => {
                    self.links.entry(their_axis).or_default().entry(our_axis).or_default().push(leaf);
                }
            }
        }
        true
    }

    /// Goes through the values of one axis of theirs that decides about leaves of several axes of ours.
    fn narrow(&self, piece: &Places, their_axis: usize, touched: &BTreeMap<usize, Vec<Leaf>>) -> Vec<Places> {
        let lookup: Vec<Lookup<'_>> = touched
            .iter()
            .map(|(&axis, leaves)| {
                let mut by_row: BTreeMap<_, Vec<usize>> = BTreeMap::new();
                for &place in &piece[axis] {
                    by_row.entry(row(self.ours, leaves, place)).or_default().push(place);
                }
                (axis, leaves.as_slice(), by_row)
            })
            .collect();
        // Values that agree on all but the last of our axes are kept as one piece.
        let mut merged: BTreeMap<Places, BTreeSet<usize>> = BTreeMap::new();
        for &place in &self.their_places[their_axis] {
            let lists: Option<Places> = lookup
                .iter()
                .map(|(_, leaves, by_row)| by_row.get(&row(self.theirs, leaves, place)).cloned())
                .collect();
            if let Some(mut lists) = lists {
                let last = lists.pop().unwrap_or_default();
                merged.entry(lists).or_default().extend(last);
            }
        }
        let narrowed = merged.into_iter().map(|(mut lists, last)| {
            lists.push(last.into_iter().collect());
            let mut narrowed = piece.clone();
            for ((axis, ..), list) in lookup.iter().zip(lists) {
                narrowed[*axis] = list;
            }
            narrowed
        });
        narrowed.collect()
    }

    fn to_product(&self, piece: &Places) -> Product {
        let digits = piece.iter().zip(&self.ours.region.product.0);
        Product(digits.map(|(places, digits)| places.iter().map(|&place| digits[place]).collect()).collect())
    }
}

/// Returns the values of some leaves of one axis at a place in its digit list.
fn row<'a>(facets: &Facets<'a>, leaves: &[Leaf], place: usize) -> Row<'a> {
    leaves.iter().map(|&leaf| facets.leaves[leaf].values[place]).collect()
}
