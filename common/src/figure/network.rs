//! Networks drawn: layers with their sizes, between them the parameters, a panel a cell of other structure.

use super::cells::Names;
use super::series::{ends, hidden};
use super::sheet::{LABEL, Panel, SMALL, Sheet};
use super::{Drawing, Figure, FigureError, FigureSpec, Need, Pick, Subject};
use crate::choice::Value;
use crate::svg::text::{self, Anchor};
use crate::svg::{Area, Paint, Stroke, Svg};
use crate::table::CellResults;

/// The kind `network`.
pub(super) struct Network;

/// A layer of more units shows so many, with dots between.
const UNITS_DRAWN_MAX: usize = 12;
/// More panels are no picture of a network.
const PANELS_MAX: usize = 12;
const HEIGHT: f64 = 240.0;
const RADIUS: f64 = 5.5;

impl Figure for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn about(&self) -> &'static str {
        "the layers of a network with their sizes, activation and parameters; of the best cell unless `cell = \"all\"`"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[("cell", Need::Optional), ("by", Need::Optional)]
    }

    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let places = spec.selected(study)?;
        let cells: Vec<&CellResults> = places.iter().map(|&place| &study.cells[place]).collect();
        let mut distinct: Vec<&CellResults> = Vec::new();
        for cell in cells {
            if !distinct.iter().any(|other| structure(other) == structure(cell)) {
                distinct.push(cell);
            }
        }
        let more = distinct.len().saturating_sub(PANELS_MAX);
        distinct.truncate(PANELS_MAX);
        // One cell is named by what tells it from the cells that it was picked from.
        let all: Vec<&CellResults> = study.cells.iter().collect();
        let names = Names::of(study.axes, &all);
        let data = ends(study.cells);
        let mut notes =
            vec!["weights and biases between two layers; of large layers some units are drawn".to_owned()];
        if let Pick::Best(metric) = spec.pick {
            notes.insert(0, format!("the cell with the best {}", metric.name().replace('_', " ")));
        }
        if more > 0 {
            notes.push(format!("{more} more structures are not drawn"));
        }
        let title = spec.title.clone().unwrap_or_else(|| format!("{}: network", study.title));
        let panels: Vec<Panel> = distinct.iter().map(|cell| panel(cell, names.full(cell), data)).collect();
        let description = panels.iter().map(|panel| panel.heading.clone()).collect::<Vec<_>>().join("; ");
        let description = format!("Layers of the network: {description}");
        Ok(vec![
            Sheet { title, legend: Vec::new(), panels, columns: 1, notes, description }
                .finish("network".to_owned()),
        ])
    }
}

fn structure(cell: &CellResults) -> (Option<&Value>, Option<&Value>) {
    (cell.choices.get("hidden"), cell.choices.get("activation"))
}

/// One layer of the drawing. Sizes are unknown before any trial has told how many inputs and classes there are.
struct Layer {
    size: Option<f64>,
    above: String,
}

fn layers(cell: &CellResults, data: Option<(f64, f64)>) -> Vec<Layer> {
    let activation = cell.choices.get("activation").and_then(Value::as_text).unwrap_or("hidden").to_owned();
    let mut layers = vec![Layer { size: data.map(|ends| ends.0), above: "inputs".to_owned() }];
    let sizes = hidden(cell).unwrap_or_default();
    layers.extend(sizes.into_iter().map(|size| Layer { size: Some(size), above: activation.clone() }));
    layers.push(Layer { size: data.map(|ends| ends.1), above: "softmax".to_owned() });
    layers
}

fn panel(cell: &CellResults, name: String, data: Option<(f64, f64)>) -> Panel {
    let layers = layers(cell, data);
    let gap = (640.0 / (layers.len() - 1) as f64).clamp(74.0, 150.0);
    let edge = 30.0;
    let top = LABEL + 10.0;
    let x = |layer: usize| edge + layer as f64 * gap;
    let mut svg = Svg::default();
    for (number, pair) in layers.windows(2).enumerate() {
        draw_weights(&mut svg, pair, (x(number), x(number + 1)), top);
    }
    for (number, layer) in layers.iter().enumerate() {
        draw_layer(&mut svg, layer, number, x(number), top);
    }
    let mut total = Some(0.0);
    for (number, pair) in layers.windows(2).enumerate() {
        let count = parameters(pair);
        total = total.zip(count).map(|(total, count)| total + count);
        let words = count.map_or_else(|| "?".to_owned(), grouped);
        let middle = (x(number) + x(number + 1)) / 2.0;
        let size = if text::width(&words, SMALL) > gap - 8.0 { SMALL * 0.85 } else { SMALL };
        svg.text((middle, top + HEIGHT + 34.0), Anchor::Middle, size, Paint::Muted, &words);
    }
    let total = total.map_or_else(String::new, |total| format!("{} parameters", grouped(total)));
    let heading = [name, total].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let width = x(layers.len() - 1) + edge;
    Panel { heading, svg, width, height: top + HEIGHT + 44.0 }
}

fn parameters(pair: &[Layer]) -> Option<f64> {
    Some((pair[0].size? + 1.0) * pair[1].size?)
}

/// Writes a whole number with a thin gap between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns the heights of the units that are drawn, and whether some are left out.
fn units(layer: &Layer, top: f64) -> (Vec<f64>, bool) {
    let size = layer.size.unwrap_or(f64::INFINITY);
    let is_cut = size > UNITS_DRAWN_MAX as f64;
    let count = if is_cut { UNITS_DRAWN_MAX } else { size.max(1.0) as usize };
    let step = HEIGHT / UNITS_DRAWN_MAX as f64;
    let first = top + (HEIGHT - step * (count - 1) as f64) / 2.0;
    let heights = (0..count).map(|unit| first + unit as f64 * step);
    // The middle of a cut layer makes room for dots.
    let is_kept = |unit: &usize| !is_cut || !(count / 2 - 1..=count / 2).contains(unit);
    (heights.enumerate().filter(|(unit, _)| is_kept(unit)).map(|(_, y)| y).collect(), is_cut)
}

fn draw_weights(svg: &mut Svg, pair: &[Layer], x: (f64, f64), top: f64) {
    let (from, _) = units(&pair[0], top);
    let (to, _) = units(&pair[1], top);
    for &upper in &from {
        for &lower in &to {
            svg.line((x.0, upper), (x.1, lower), Stroke::plain(Paint::Grid, 0.7));
        }
    }
}

fn draw_layer(svg: &mut Svg, layer: &Layer, number: usize, x: f64, top: f64) {
    let (heights, is_cut) = units(layer, top);
    let is_hidden = layer.above != "inputs" && layer.above != "softmax";
    let paint = Paint::Series(match (number, is_hidden) {
        (0, _) => 2,
        (_, true) => 0,
        (_, false) => 1,
    });
    for &y in &heights {
        svg.dot((x, y), RADIUS, paint, Stroke::plain(Paint::Paper, 1.0), "");
    }
    if is_cut {
        let middle = top + HEIGHT / 2.0;
        svg.fill(Area { x: x - 7.0, y: middle - 12.0, width: 14.0, height: 24.0 }, Paint::Paper, "");
        for offset in [-6.0, 0.0, 6.0] {
            svg.dot((x, middle + offset), 1.6, paint, Stroke::plain(Paint::Paper, 0.2), "");
        }
    }
    let size = layer.size.map_or_else(|| "?".to_owned(), grouped);
    svg.text((x, top + HEIGHT + 18.0), Anchor::Middle, LABEL, Paint::Ink, &size);
    svg.text((x, LABEL), Anchor::Middle, SMALL, Paint::Muted, &layer.above);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [(7.0, "7"), (999.0, "999"), (1000.0, "1,000"), (1234567.0, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
