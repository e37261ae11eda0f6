//! What is wrong with a grid, in words and with its place.

use super::document::list_of;
use super::problem::Problem;
use super::study::Draft;
use crate::choice::Value;
use crate::search::check::{Because, Fault, Origin};
use crate::search::settings::{Leaf, Settings};
use std::ops::Range;

/// Puts a fault of a study's grid into words.
pub(super) fn explain(fault: &Fault, draft: &Draft, settings: &Settings) -> Problem {
    let axis_name = |axis: usize| draft.axes[axis].axis.name.as_str();
    let axis_span = |axis: usize| draft.axes[axis].span.clone();
    let (span, message, help) = match fault {
        Fault::Cycle(axes) => {
            let names: Vec<&str> = axes.iter().map(|&axis| axis_name(axis)).collect();
            let message = match names.as_slice() {
                [name] => format!("whether the axis `{name}` exists depends on itself"),
                _ => format!("whether the axes {} exist depends on each other in a circle", list_of(&names)),
            };
            let span = axes.first().map_or(0..0, |&axis| draft.when_spans[axis].clone());
            (span, message, "change one of the conditions in [study.when]".to_owned())
        }
        Fault::NeverExists(axis) => (
            draft.when_spans[*axis].clone(),
            format!("the condition of the axis `{}` can never hold", axis_name(*axis)),
            "no cell of this study has these values: change the condition or leave the axis out".to_owned(),
        ),
        Fault::NeverExcludes(index) => (
            draft.exclusion_spans[*index].clone(),
            "this condition can never hold: no cell of this study has these values".to_owned(),
            "change it, or leave the exclusion out".to_owned(),
        ),
        Fault::TooManyParts => too_many_parts(draft.span.clone()),
        Fault::TooLarge => too_large(draft.span.clone()),
        Fault::Empty => (
            draft.exclusion_spans.last().cloned().unwrap_or_default(),
            "every cell of this study is excluded".to_owned(),
            "leave a cell at least".to_owned(),
        ),
        Fault::Idle(axis) => (
            axis_span(*axis),
            format!("the axis `{}` does nothing: other axes set all of its settings", axis_name(*axis)),
            "leave it out".to_owned(),
        ),
        Fault::Repeated { axis, second, .. } => (
            draft.axes[*axis].alternative_spans[*second as usize].clone(),
            format!("two values of the axis `{}` give the same cells", axis_name(*axis)),
            "they differ only in what is a default, or in what another axis sets: leave one out".to_owned(),
        ),
        Fault::Same(choices) => (
            draft.span.clone(),
            format!("two combinations of the axes are the same cell: {}", choices.to_json()),
            "give each cell once: change an axis or its condition".to_owned(),
        ),
        Fault::Ignored { leaf, by, because } => return ignored(*leaf, *by, because, draft, settings),
        Fault::Missing { leaf, because } => missing(*leaf, because, draft, settings),
    };
    Problem { span, message, help: Some(help) }
}

/// Says that a grid is split into too many parts.
pub(super) fn too_many_parts(span: Range<usize>) -> (Range<usize>, String, String) {
    (
        span,
        "the conditions and overlaps of this study split its grid into too many parts".to_owned(),
        "use fewer `when` and `exclude`, or make several studies of it".to_owned(),
    )
}

/// Says that a grid is too large.
pub(super) fn too_large(span: Range<usize>) -> (Range<usize>, String, String) {
    (span, "the sweep has 2^63 trials or more".to_owned(), "vary less".to_owned())
}

fn ignored(leaf: Leaf, by: Origin, because: &[Because], draft: &Draft, settings: &Settings) -> Problem {
    let rule = settings.rule(leaf);
    let name = &rule.name;
    let because_of = because.first().map_or(leaf, |because| because.leaf);
    let condition = rule.needs.iter().find(|need| need.leaf == because_of);
    let other = &settings.rule(because_of).name;
    let values = condition.map(|need| need.values.as_slice()).unwrap_or_default();
    let off = because_of >= settings.setting_count();
    let message = if off {
        format!("`{name}` means nothing where `{other}` is switched off")
    } else {
        format!("`{name}` means nothing with {other} {}", found(because, because_of))
    };
    let names: Vec<String> = values.iter().map(quoted).collect();
    let (span, help) = match by {
        Origin::Axis { axis, .. } => {
            let draft_axis = &draft.axes[axis];
            let values = if off { "true".to_owned() } else { names.join(", ") };
            let setting = key(other);
            let axis_name = key(&draft_axis.axis.name);
            (draft_axis.span.clone(), format!("add `when`: {axis_name} = {{ {setting} = [{values}] }}"))
        }
        Origin::Fixed if off => {
            (draft.fixed.spans[leaf].clone(), format!("leave it out, or give the table `{other}`"))
        }
        Origin::Fixed => {
            let help = format!(
                "leave it out here, and give it where {other} is {}: by `set`, or by an axis with a `when`",
                names.join(" or ")
            );
            (draft.fixed.spans[leaf].clone(), help)
        }
    };
    Problem { span, message, help: Some(help) }
}

fn missing(
    leaf: Leaf,
    because: &[Because],
    draft: &Draft,
    settings: &Settings,
) -> (Range<usize>, String, String) {
    let name = &settings.rule(leaf).name;
    let because_of = because.first().map(|because| because.leaf);
    let message = match because_of {
        None => format!("`{name}` is not given"),
        Some(other) if other >= settings.setting_count() => {
            format!("`{name}` is not given, and `{}` needs it", settings.rule(other).name)
        }
        Some(other) => {
            format!(
                "`{name}` is not given, and {} {} needs it",
                settings.rule(other).name,
                found(because, other)
            )
        }
    };
    let span = because_of.and_then(|other| place_of(other, draft)).unwrap_or(draft.span.clone());
    (span, message, remedy_for_missing(leaf, because_of, draft, settings))
}

fn remedy_for_missing(leaf: Leaf, because_of: Option<Leaf>, draft: &Draft, settings: &Settings) -> String {
    let rule = settings.rule(leaf);
    let name = key(&rule.name);
    let everywhere = format!("give it in [base] or `set`, or vary it: {name} = […]");
    let Some(need) = because_of.and_then(|other| rule.needs.iter().find(|need| need.leaf == other)) else {
        return everywhere;
    };
    let other = &settings.rule(need.leaf).name;
    if need.leaf >= settings.setting_count() {
        return format!("give it in the table `{other}`");
    }
    if draft.axes.iter().any(|axis| axis.axis.leaves.iter().any(|covered| covered.leaf == need.leaf)) {
        let values: Vec<String> = need.values.iter().map(quoted).collect();
        let condition = format!("{name} = {{ {} = [{}] }}", key(other), values.join(", "));
        return format!("vary it where it applies: {name} = […], and in [study.when] {condition}");
    }
    everywhere
}

/// Returns where a leaf is given its value.
fn place_of(leaf: Leaf, draft: &Draft) -> Option<Range<usize>> {
    let sets = |axis: &&super::axis::AxisDraft| axis.axis.leaves.iter().any(|covered| covered.leaf == leaf);
    if let Some(axis) = draft.axes.iter().find(sets) {
        return Some(axis.span.clone());
    }
    draft.fixed.values[leaf].as_ref().map(|_| draft.fixed.spans[leaf].clone())
}

/// Writes the values that one leaf was found to have.
fn found(because: &[Because], leaf: Leaf) -> String {
    let values: Vec<String> = because
        .iter()
        .filter(|because| because.leaf == leaf)
        .map(|because| because.value.as_ref().map_or("not given".to_owned(), quoted))
        .collect();
    values.join(" or ")
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{text}\""),
        value => value.to_string(),
    }
}

/// Writes a key as TOML wants it.
fn key(name: &str) -> String {
    let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare && !name.is_empty() { name.to_owned() } else { format!("\"{name}\"") }
}
