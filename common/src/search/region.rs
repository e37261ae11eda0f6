//! Boxes of combinations: products of digit lists. A grid is a few of them, whatever its size.

use std::sync::Arc;

/// A product of sorted, non-empty lists of digits, one an axis. An axis that does not exist has the digit 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Product(pub(crate) Vec<Arc<[u32]>>);

/// A box of combinations in which the same axes exist and every leaf depends on at most one of them.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) product: Product,
    pub(crate) shape: Arc<Shape>,
}

/// What holds throughout a region.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Which axes exist.
    pub(crate) active: Vec<bool>,
    /// The axis that each leaf's value depends on, if any.
    pub(crate) depends: Vec<Option<usize>>,
}

impl Product {
    /// Returns the number of combinations, as large as fits.
    pub(crate) fn count(&self) -> u128 {
        self.0.iter().fold(1, |count: u128, digits| count.saturating_mul(digits.len() as u128))
    }

    /// Returns the first combination.
    pub(crate) fn first(&self) -> Vec<u32> {
        self.0.iter().map(|digits| digits[0]).collect()
    }

    /// Returns the product with other digits for one axis.
    pub(crate) fn with(&self, axis: usize, digits: impl Into<Arc<[u32]>>) -> Product {
        let mut product = self.clone();
        product.0[axis] = digits.into();
        product
    }

    /// Returns what is in both.
    pub(crate) fn intersection(&self, other: &Product) -> Option<Product> {
        let lists = self.0.iter().zip(&other.0).map(|(ours, theirs)| {
            if Arc::ptr_eq(ours, theirs) || ours == theirs {
                return Some(ours.clone());
            }
            let both: Arc<[u32]> =
                ours.iter().copied().filter(|digit| theirs.binary_search(digit).is_ok()).collect();
            (!both.is_empty()).then_some(both)
        });
        lists.collect::<Option<_>>().map(Product)
    }

    /// Returns what is in this one and not in the other, as disjoint products: at most one an axis.
    pub(crate) fn without(&self, other: &Product) -> Vec<Product> {
        let Some(inner) = self.intersection(other) else {
            return vec![self.clone()];
        };
        let mut rest = Vec::new();
        let mut prefix = self.clone();
        for (axis, kept) in inner.0.iter().enumerate() {
            let outside: Vec<u32> =
                self.0[axis].iter().copied().filter(|digit| kept.binary_search(digit).is_err()).collect();
            if !outside.is_empty() {
                rest.push(prefix.with(axis, outside));
                prefix.0[axis] = kept.clone();
            }
        }
        rest
    }
}

/// Returns the number of combinations in disjoint regions. They have been checked to be fewer than 2^63.
pub(crate) fn count(regions: &[Region]) -> u64 {
    let total = regions.iter().fold(0, |sum: u128, region| sum.saturating_add(region.product.count()));
    u64::try_from(total).unwrap_or(u64::MAX)
}

/// Returns the combination at `position` in lexicographic order over all of the disjoint regions, and its region.
pub(crate) fn nth(regions: &[Region], position: u64) -> Option<(&Region, Vec<u32>)> {
    if position >= count(regions) {
        return None;
    }
    let mut left = u128::from(position);
    // Each region that shares the digits chosen so far, with its number of combinations of the remaining axes.
    let mut candidates: Vec<(&Region, u128)> =
        regions.iter().map(|region| (region, region.product.count())).collect();
    let axes = regions.first()?.product.0.len();
    let mut digits = Vec::with_capacity(axes);
    for axis in 0..axes {
        for (region, remaining) in &mut candidates {
            *remaining /= region.product.0[axis].len() as u128;
        }
        let digit = digit_at(&candidates, axis, left)?;
        left -= count_below(&candidates, axis, digit);
        candidates.retain(|(region, _)| region.product.0[axis].binary_search(&digit).is_ok());
        digits.push(digit);
    }
    candidates.first().map(|(region, _)| (*region, digits))
}

/// Returns the digit of `axis` in the combination at `position`.
fn digit_at(candidates: &[(&Region, u128)], axis: usize, position: u128) -> Option<u32> {
    let last = candidates.iter().filter_map(|(region, _)| region.product.0[axis].last()).max()?;
    // The largest digit below which at most `position` combinations lie: `low` always is one, `high` never.
    let (mut low, mut high) = (0, last + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if count_below(candidates, axis, middle) <= position {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// Returns how many of the candidates' combinations have a smaller digit than `digit`.
fn count_below(candidates: &[(&Region, u128)], axis: usize, digit: u32) -> u128 {
    let below = |region: &Region| region.product.0[axis].partition_point(|&other| other < digit) as u128;
    candidates.iter().map(|(region, remaining)| below(region) * remaining).sum()
}

/// Returns the position of a combination in lexicographic order over all of the disjoint regions, if one has it.
pub(crate) fn rank(regions: &[Region], digits: &[u32]) -> Option<u64> {
    let mut position: u128 = 0;
    let mut found = false;
    for region in regions {
        let mut remaining = region.product.count();
        let mut inside = true;
        for (list, digit) in region.product.0.iter().zip(digits) {
            remaining /= list.len() as u128;
            position += list.partition_point(|other| other < digit) as u128 * remaining;
            if list.binary_search(digit).is_err() {
                inside = false;
                break;
            }
        }
        found |= inside;
    }
    found.then(|| u64::try_from(position).ok()).flatten()
}
