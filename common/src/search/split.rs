//! Splitting a grid by conditions until every part is a plain product.
//!
//! In a part where it is settled which axes exist, a leaf's value is given by one axis or is fixed, or else it is a
//! default that depends on another leaf; so "this leaf has one of these values" is a statement about digits, and
//! splits a part into a few smaller ones.

use super::region::{Product, Region, Shape};
use super::settings::{Condition, Leaf};
use super::space::Space;
use crate::choice::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most parts that the grids of a sweep may be split into. The sweeps of the published studies need fewer than
/// twenty. Parts are compared in pairs: for a thousand of them, on axes of a thousand values each, that takes half a
/// second (release build, one core), and four times as long for twice as many.
pub(crate) const PARTS_MOST: usize = 1_000;

/// A product of digits together with the axes that exist in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub(crate) product: Product,
    pub(crate) active: Vec<bool>,
}

/// A part divided by a question.
#[derive(Default, Debug)]
pub(crate) struct Split {
    pub(crate) yes: Vec<Part>,
    pub(crate) no: Vec<Part>,
}

/// More parts than [`PARTS_MOST`].
#[derive(Debug)]
pub(crate) struct TooManyParts;

impl Part {
    fn with(&self, axis: usize, digits: Vec<u32>) -> Part {
        Part { product: self.product.with(axis, digits), active: self.active.clone() }
    }
}

impl Split {
    fn whole(part: Part, answer: bool) -> Split {
        let mut split = Split::default();
        split.side(answer).push(part);
        split
    }

    fn side(&mut self, answer: bool) -> &mut Vec<Part> {
        if answer { &mut self.yes } else { &mut self.no }
    }

    /// Returns the one answer for all of the part, if there is one.
    fn answer(&self) -> Option<bool> {
        match (self.yes.is_empty(), self.no.is_empty()) {
            (false, true) => Some(true),
            (true, false) => Some(false),
            _ => None,
        }
    }

    /// Returns the axes whose digits the answer depends on.
    fn axes(&self, whole: &Part) -> BTreeSet<usize> {
        let parts = self.yes.iter().chain(&self.no);
        parts
            .flat_map(|part| {
                let lists = part.product.0.iter().zip(&whole.product.0).enumerate();
                lists.filter(|(_, (ours, all))| ours != all).map(|(axis, _)| axis)
            })
            .collect()
    }
}

impl Space {
    /// Divides a part by whether all of the conditions hold.
    pub(crate) fn split_by_all(&self, part: Part, conditions: &[Condition]) -> Split {
        let mut split = Split { yes: vec![part], no: Vec::new() };
        for condition in conditions {
            for part in std::mem::take(&mut split.yes) {
                let mut inner = self.split(part, condition.leaf, &|value| condition.accepts(value));
                split.yes.append(&mut inner.yes);
                split.no.append(&mut inner.no);
            }
        }
        split
    }

    /// Divides a part by a question about the value of a leaf.
    fn split(&self, part: Part, leaf: Leaf, accepts: &dyn Fn(Option<&Value>) -> bool) -> Split {
        let Some(source) = self.source(&part.active, leaf) else {
            return match &self.fixed[leaf] {
                Some(value) => Split::whole(part, accepts(Some(value))),
                None => self.split_default(part, leaf, accepts),
            };
        };
        let axis = source.0;
        let mut explicit: [Vec<u32>; 2] = Default::default();
        let mut unset = Vec::new();
        for &digit in part.product.0[axis].iter() {
            match self.given(source, digit) {
                Some(value) => explicit[usize::from(accepts(Some(value)))].push(digit),
                None => unset.push(digit),
            }
        }
        let mut split = Split::default();
        if !unset.is_empty() {
            let inner = self.split_default(part.with(axis, unset.clone()), leaf, accepts);
            match inner.answer() {
                // One answer for all of them: they stay together with the digits of the same explicit answer.
                Some(answer) => explicit[usize::from(answer)].extend(unset),
                None => split = inner,
            }
        }
        for (answer, mut digits) in [false, true].into_iter().zip(explicit) {
            if !digits.is_empty() {
                digits.sort_unstable();
                split.side(answer).push(part.with(axis, digits));
            }
        }
        split
    }

    /// Divides a part in which nothing gives a leaf a value.
    fn split_default(&self, part: Part, leaf: Leaf, accepts: &dyn Fn(Option<&Value>) -> bool) -> Split {
        let rule = self.settings.rule(leaf);
        let without = accepts(None);
        let Some(default) = &rule.default else {
            return Split::whole(part, without);
        };
        let with = accepts(Some(default));
        if with == without {
            return Split::whole(part, with);
        }
        let mut split = self.split_by_all(part, &rule.needs);
        if !with {
            std::mem::swap(&mut split.yes, &mut split.no);
        }
        split
    }

    /// Splits the whole grid by which axes exist. `order` has every axis after those that its condition depends on.
    pub(crate) fn split_by_existence(&self, order: &[usize]) -> Result<Vec<Part>, TooManyParts> {
        let all = |axis: &super::space::Axis| (0..axis.alternatives.len() as u32).collect();
        let whole = Part {
            product: Product(self.axes.iter().map(all).collect()),
            active: self.axes.iter().map(|axis| axis.when.is_empty()).collect(),
        };
        let mut parts = vec![whole];
        for &axis in order.iter().filter(|&&axis| !self.axes[axis].when.is_empty()) {
            for part in std::mem::take(&mut parts) {
                let split = self.split_by_all(part, &self.axes[axis].when);
                parts.extend(split.yes.into_iter().map(|mut part| {
                    part.active[axis] = true;
                    part
                }));
                parts.extend(split.no.into_iter().map(|part| part.with(axis, vec![0])));
                within_bounds(&parts)?;
            }
        }
        Ok(parts)
    }

    /// Splits a part until each leaf depends on one axis at most.
    pub(crate) fn refine(&self, part: Part) -> Result<Vec<Region>, TooManyParts> {
        let mut pending = vec![part];
        let mut regions = Vec::new();
        while let Some(part) = pending.pop() {
            let depends: Result<Vec<Option<usize>>, Split> =
                (0..self.settings.len()).map(|leaf| self.depends(&part, leaf)).collect();
            match depends {
                Ok(depends) => {
                    let shape = Arc::new(Shape { active: part.active, depends });
                    regions.push(Region { product: part.product, shape });
                }
                Err(split) => pending.extend(split.yes.into_iter().chain(split.no)),
            }
            if regions.len() + pending.len() > PARTS_MOST {
                return Err(TooManyParts);
            }
        }
        Ok(regions)
    }

    /// Returns the axis that a leaf's value depends on, or the smaller parts in which it depends on fewer.
    fn depends(&self, part: &Part, leaf: Leaf) -> Result<Option<usize>, Split> {
        let source = self.source(&part.active, leaf);
        let unset = match source {
            None if self.fixed[leaf].is_some() => return Ok(None),
            None => part.clone(),
            Some(source) => {
                let digits = part.product.0[source.0].iter().copied();
                let unset: Vec<u32> = digits.filter(|&digit| self.given(source, digit).is_none()).collect();
                if unset.is_empty() {
                    return Ok(Some(source.0));
                }
                part.with(source.0, unset)
            }
        };
        let axis = source.map(|(axis, _)| axis);
        let rule = self.settings.rule(leaf);
        if rule.default.is_none() {
            return Ok(axis);
        }
        let split = self.split_by_all(unset.clone(), &rule.needs);
        if split.answer().is_some() {
            return Ok(axis);
        }
        let mut axes = split.axes(&unset);
        axes.extend(axis);
        match axes.first() {
            Some(&only) if axes.len() == 1 => Ok(Some(only)),
            _ => Err(self.split_by_all(part.clone(), &rule.needs)),
        }
    }
}

/// Returns an error where there are too many parts.
pub(crate) fn within_bounds<T>(parts: &[T]) -> Result<(), TooManyParts> {
    if parts.len() > PARTS_MOST { Err(TooManyParts) } else { Ok(()) }
}
