//! What can be wrong with a study's grid, found part by part and never cell by cell.

use super::overlap::{Facets, values};
use super::region::Region;
use super::settings::{Condition, Leaf};
use super::space::{Axis, Space};
use super::split::{Part, TooManyParts};
use crate::choice::{Choices, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Something wrong with a study's grid. Axes and exclusions are counted from 0.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Fault {
    /// Whether each of these axes exists depends on the next, and on the first for the last.
    Cycle(Vec<usize>),
    /// The condition of this axis never holds.
    NeverExists(usize),
    /// This exclusion matches no cell.
    NeverExcludes(usize),
    /// The conditions split the grid into too many parts.
    TooManyParts,
    /// 2^63 trials or more.
    TooLarge,
    /// Everything is excluded.
    Empty,
    /// Other axes decide about everything that this one sets.
    Idle(usize),
    /// Two digits of an axis give the same cells.
    Repeated { axis: usize, first: u32, second: u32 },
    /// Two combinations are the same cell.
    Same(Choices),
    /// A setting is given where it does not apply.
    Ignored { leaf: Leaf, by: Origin, because: Vec<Because> },
    /// A setting is not given where it applies and has no default.
    Missing { leaf: Leaf, because: Vec<Because> },
}

/// Who gives a setting its value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Origin {
    /// `[base]` or `set`.
    Fixed,
    /// An axis, for example with this digit.
    Axis { axis: usize, digit: u32 },
}

/// The value of a leaf that decides whether another applies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Because {
    pub(crate) leaf: Leaf,
    pub(crate) value: Option<Value>,
}

/// Who gives a setting without regard to the digit, to report each once.
type Key = (Leaf, Option<usize>);

/// What was found about where settings apply, each once.
#[derive(Default)]
struct Findings {
    ignored: BTreeMap<Key, (Origin, BTreeSet<Because>)>,
    missing: BTreeMap<Leaf, BTreeSet<Because>>,
}

/// Returns the order in which to settle which axes exist, or the axes of a cycle.
pub(crate) fn order(space: &Space) -> Result<Vec<usize>, Fault> {
    let needed: Vec<BTreeSet<usize>> = space.axes.iter().map(|axis| axes_needed(space, &axis.when)).collect();
    let mut order: Vec<usize> = Vec::new();
    let mut left: BTreeSet<usize> = (0..space.axes.len()).collect();
    while !left.is_empty() {
        let next = left.iter().copied().find(|&axis| needed[axis].is_disjoint(&left));
        let Some(next) = next else {
            return Err(Fault::Cycle(cycle(&needed, &left)));
        };
        left.remove(&next);
        order.push(next);
    }
    Ok(order)
}

/// Returns the axes that decide whether conditions hold.
fn axes_needed(space: &Space, conditions: &[Condition]) -> BTreeSet<usize> {
    let mut axes = BTreeSet::new();
    let mut pending: Vec<Leaf> = conditions.iter().map(|condition| condition.leaf).collect();
    while let Some(leaf) = pending.pop() {
        axes.extend(space.axes_of(leaf));
        let rule = space.settings.rule(leaf);
        if rule.default.is_some() {
            pending.extend(rule.needs.iter().map(|need| need.leaf));
        }
    }
    axes
}

/// Returns a cycle among axes each of which needs another of them.
fn cycle(needed: &[BTreeSet<usize>], left: &BTreeSet<usize>) -> Vec<usize> {
    let mut path: Vec<usize> = left.first().copied().into_iter().collect();
    while let Some(next) = path.last().and_then(|&axis| needed[axis].intersection(left).next().copied()) {
        if let Some(start) = path.iter().position(|&axis| axis == next) {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    path
}

/// Finds axes that never exist, and ones that never decide about anything.
pub(crate) fn check_axes(space: &Space, parts: &[Part], faults: &mut Vec<Fault>) {
    for (index, axis) in space.axes.iter().enumerate() {
        let decides = |part: &&Part| {
            axis.leaves.iter().any(|covered| {
                space.source(&part.active, covered.leaf).is_some_and(|(source, _)| source == index)
            })
        };
        let mut present = parts.iter().filter(|part| part.active[index]).peekable();
        if present.peek().is_none() {
            faults.push(Fault::NeverExists(index));
        } else if !present.any(|part| decides(&part)) {
            faults.push(Fault::Idle(index));
        }
    }
}

/// Finds settings given where they do not apply, and ones not given where they do.
pub(crate) fn check_applicability(space: &Space, regions: &[Region], faults: &mut Vec<Fault>) {
    let mut findings = Findings::default();
    for region in regions {
        let part = Part { product: region.product.clone(), active: region.shape.active.clone() };
        for leaf in 0..space.settings.setting_count() {
            let split = space.split_by_all(part.clone(), &space.settings.rule(leaf).needs);
            split.no.iter().for_each(|part| findings.look_for_ignored(space, part, leaf));
            if space.settings.rule(leaf).default.is_none() {
                split.yes.iter().for_each(|part| findings.look_for_missing(space, part, leaf));
            }
        }
    }
    for ((leaf, _), (by, because)) in findings.ignored {
        faults.push(Fault::Ignored { leaf, by, because: because.into_iter().collect() });
    }
    for (leaf, because) in findings.missing {
        faults.push(Fault::Missing { leaf, because: because.into_iter().collect() });
    }
}

impl Findings {
    fn look_for_ignored(&mut self, space: &Space, part: &Part, leaf: Leaf) {
        let source = space.source(&part.active, leaf);
        let by = match source {
            None => space.fixed[leaf].as_ref().map(|_| Origin::Fixed),
            Some(source) => {
                let mut digits = part.product.0[source.0].iter().copied();
                let digit = digits.find(|&digit| space.given(source, digit).is_some());
                digit.map(|digit| Origin::Axis { axis: source.0, digit })
            }
        };
        if let Some(by) = by {
            let entry = self.ignored.entry((leaf, source.map(|(axis, _)| axis)));
            let (_, because) = entry.or_insert_with(|| (by, BTreeSet::new()));
            because.extend(reasons(space, part, leaf, false));
        }
    }

    fn look_for_missing(&mut self, space: &Space, part: &Part, leaf: Leaf) {
        let missing = match space.source(&part.active, leaf) {
            None => space.fixed[leaf].is_none(),
            Some(source) => {
                part.product.0[source.0].iter().any(|&digit| space.given(source, digit).is_none())
            }
        };
        if missing {
            self.missing.entry(leaf).or_default().extend(reasons(space, part, leaf, true));
        }
    }
}

/// Returns the values that decide about a leaf in a part: of the leaves on which it applies, those for which `holding`
/// is the answer.
fn reasons(space: &Space, part: &Part, leaf: Leaf, holding: bool) -> Vec<Because> {
    let mut reasons = Vec::new();
    for need in &space.settings.rule(leaf).needs {
        let decided = std::slice::from_ref(need);
        let split = space.split_by_all(part.clone(), decided);
        for part in if holding { split.yes } else { split.no } {
            reasons.extend(values_of(space, &part, need.leaf));
        }
    }
    reasons
}

/// Returns what a leaf can be in a part in which one axis at most decides about it.
fn values_of(space: &Space, part: &Part, leaf: Leaf) -> Vec<Because> {
    let mut digits = part.product.first();
    let because = |digits: &[u32]| {
        let value = space.value(&part.active, digits, leaf).cloned();
        Because { leaf, value }
    };
    let Some((axis, _)) = space.source(&part.active, leaf) else {
        return vec![because(&digits)];
    };
    let all = part.product.0[axis].iter().map(|&digit| {
        digits[axis] = digit;
        because(&digits)
    });
    all.collect()
}

/// Finds two combinations that are the same cell.
pub(crate) fn check_distinct(
    space: &Space,
    regions: &[Region],
    faults: &mut Vec<Fault>,
) -> Result<(), TooManyParts> {
    let before = faults.len();
    for region in regions {
        for axis in 0..space.axes.len() {
            if let Some(fault) = repeated(space, region, axis).filter(|fault| !faults.contains(fault)) {
                faults.push(fault);
            }
        }
    }
    if faults.len() > before {
        return Ok(());
    }
    let telling: Vec<Option<Leaf>> = space.axes.iter().map(telling_leaf).collect();
    let facets: Vec<Facets<'_>> = regions.iter().map(|region| Facets::of(space, region)).collect();
    for (index, ours) in facets.iter().enumerate() {
        for theirs in
            facets[..index].iter().filter(|theirs| !told_apart(&telling, ours.region, theirs.region))
        {
            if let Some(piece) = ours.overlap(theirs)?.first() {
                faults.push(Fault::Same(cell(space, ours.region, &piece.first())));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Returns a leaf to which every alternative of an axis gives another value.
fn telling_leaf(axis: &Axis) -> Option<Leaf> {
    let tells = |slot: &usize| {
        let mut seen = BTreeSet::new();
        axis.alternatives.iter().all(|row| row[*slot].as_ref().is_some_and(|value| seen.insert(value)))
    };
    (0..axis.leaves.len()).find(tells).map(|slot| axis.leaves[slot].leaf)
}

/// Returns whether two regions have no cell in common because they take different values of one axis: quickly true for
/// most pairs, false where only a closer look can tell.
fn told_apart(telling: &[Option<Leaf>], ours: &Region, theirs: &Region) -> bool {
    telling.iter().enumerate().any(|(axis, leaf)| {
        leaf.is_some_and(|leaf| {
            ours.shape.depends[leaf] == Some(axis)
                && theirs.shape.depends[leaf] == Some(axis)
                && are_disjoint(&ours.product.0[axis], &theirs.product.0[axis])
        })
    })
}

fn are_disjoint(ours: &[u32], theirs: &[u32]) -> bool {
    let (few, many) = if ours.len() < theirs.len() { (ours, theirs) } else { (theirs, ours) };
    few.iter().all(|digit| many.binary_search(digit).is_err())
}

/// Finds two digits of an axis that give the same values throughout a region.
fn repeated(space: &Space, region: &Region, axis: usize) -> Option<Fault> {
    let digits = &region.product.0[axis];
    if digits.len() < 2 {
        return None;
    }
    let columns: Vec<Vec<Option<&Value>>> = (0..space.settings.setting_count())
        .filter(|&leaf| region.shape.depends[leaf] == Some(axis))
        .map(|leaf| values(space, region, leaf, Some(axis)))
        .collect();
    let mut seen = BTreeMap::new();
    for (place, &second) in digits.iter().enumerate() {
        let row: Vec<Option<&Value>> = columns.iter().map(|column| column[place]).collect();
        if let Some(first) = seen.insert(row, second) {
            return Some(Fault::Repeated { axis, first, second });
        }
    }
    None
}

/// Returns the choices of one combination.
pub(crate) fn cell(space: &Space, region: &Region, digits: &[u32]) -> Choices {
    let settings = &space.settings;
    let choice = |leaf: Leaf| {
        let value = space.value(&region.shape.active, digits, leaf)?;
        Some((settings.rule(leaf).name.clone(), value.clone()))
    };
    (0..settings.setting_count()).filter_map(choice).collect()
}
