//! What a study's file section says, as leaves: fixed values, axes with their alternatives, conditions.

use super::settings::{Condition, Leaf, Settings};
use crate::choice::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The definition of a study's grid. A combination of its axes is a list of digits, one an axis: the alternative taken.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) settings: Arc<Settings>,
    /// What [base] and `set` give, one entry a leaf.
    pub(crate) fixed: Vec<Option<Value>>,
    pub(crate) axes: Vec<Axis>,
    /// For each leaf the axes that set it, the most specific first.
    covering: Vec<Vec<Cover>>,
    /// For each axis that decides about one leaf, its digits by the values that they give.
    digits: Vec<BTreeMap<Value, u32>>,
}

/// One axis: alternatives for some leaves.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: String,
    /// The leaves it decides about.
    pub(crate) leaves: Vec<Covered>,
    /// Each with one entry for each of `leaves`; `None` leaves it to the default.
    pub(crate) alternatives: Vec<Vec<Option<Value>>>,
    /// It exists only where all of these hold.
    pub(crate) when: Vec<Condition>,
}

/// A leaf that an axis decides about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Covered {
    pub(crate) leaf: Leaf,
    /// How specific: the number of names in the dotted path that was varied.
    pub(crate) depth: usize,
}

/// An axis that sets a leaf, and where that leaf stands in its alternatives.
#[derive(Clone, Copy, Debug)]
struct Cover {
    axis: usize,
    slot: usize,
    depth: usize,
}

/// Returns the values that axes give to a leaf, each once, in their order.
pub(crate) fn levels<'a>(axes: impl IntoIterator<Item = &'a Axis>, leaf: Leaf) -> Vec<&'a Value> {
    let mut levels = Vec::new();
    for axis in axes {
        let slots = axis.leaves.iter().enumerate().filter(|(_, covered)| covered.leaf == leaf);
        for (slot, _) in slots {
            let values = axis.alternatives.iter().filter_map(|alternative| alternative[slot].as_ref());
            values.for_each(|value| {
                if !levels.contains(&value) {
                    levels.push(value);
                }
            });
        }
    }
    levels
}

/// Returns the leaves to which axes give values, in their order.
pub(crate) fn varied<'a>(axes: impl IntoIterator<Item = &'a Axis>) -> Vec<Leaf> {
    let covered = axes.into_iter().flat_map(|axis| {
        let given = |slot: usize| axis.alternatives.iter().any(|alternative| alternative[slot].is_some());
        axis.leaves.iter().enumerate().filter(move |(slot, _)| given(*slot)).map(|(_, covered)| covered.leaf)
    });
    covered.collect()
}

fn digits_by_value(axis: &Axis) -> BTreeMap<Value, u32> {
    let values = axis.alternatives.iter().map(|given| match given.as_slice() {
        [value] => value.clone(),
        _ => None,
    });
    (0..).zip(values).filter_map(|(digit, value)| Some((value?, digit))).collect()
}

impl Space {
    /// Puts together what was read. No two axes vary the same path.
    pub(crate) fn new(settings: Arc<Settings>, fixed: Vec<Option<Value>>, axes: Vec<Axis>) -> Space {
        let mut covering = vec![Vec::new(); settings.len()];
        for (index, axis) in axes.iter().enumerate() {
            for (slot, covered) in axis.leaves.iter().enumerate() {
                covering[covered.leaf].push(Cover { axis: index, slot, depth: covered.depth });
            }
        }
        for covers in &mut covering {
            covers.sort_by_key(|cover| std::cmp::Reverse(cover.depth));
        }
        let digits = axes.iter().map(digits_by_value).collect();
        Space { settings, fixed, axes, covering, digits }
    }

    /// Returns the digit by which an axis of one leaf gives that leaf its wanted value. An axis of several, and a digit that
    /// leaves the value to the default, are not found so.
    pub(crate) fn digit_giving(&self, axis: usize, wanted: &[Option<&Value>]) -> Option<u32> {
        let leaf = self.axes[axis].leaves.first()?.leaf;
        self.digits[axis].get((*wanted.get(leaf)?)?).copied()
    }

    /// Returns the axes that set a leaf somewhere.
    pub(crate) fn axes_of(&self, leaf: Leaf) -> impl Iterator<Item = usize> + '_ {
        self.covering[leaf].iter().map(|cover| cover.axis)
    }

    /// Returns which axis decides about a leaf among those that exist, and the leaf's place in its alternatives.
    pub(crate) fn source(&self, active: &[bool], leaf: Leaf) -> Option<(usize, usize)> {
        let cover = self.covering[leaf].iter().find(|cover| active[cover.axis])?;
        Some((cover.axis, cover.slot))
    }

    /// Returns what an axis gives a leaf for one digit.
    pub(crate) fn given(&self, (axis, slot): (usize, usize), digit: u32) -> Option<&Value> {
        self.axes[axis].alternatives[digit as usize][slot].as_ref()
    }

    /// Returns the value of a leaf in one combination: of the most specific axis, else fixed, else the default where
    /// the leaf applies.
    pub(crate) fn value(&self, active: &[bool], digits: &[u32], leaf: Leaf) -> Option<&Value> {
        let explicit = match self.source(active, leaf) {
            Some(source) => self.given(source, digits[source.0]),
            None => self.fixed[leaf].as_ref(),
        };
        explicit.or_else(|| {
            let rule = self.settings.rule(leaf);
            let default = rule.default.as_ref()?;
            let holds = |need: &Condition| need.accepts(self.value(active, digits, need.leaf));
            rule.needs.iter().all(holds).then_some(default)
        })
    }
}
