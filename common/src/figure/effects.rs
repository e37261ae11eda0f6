//! What each axis does: its share in the variance of a metric, and the means of its levels.

use super::cells::spoken;
use super::lines::scale_for;
use super::plot::{Across, Frame, Place, left_of};
use super::series::title_of;
use super::sheet::{LABEL, Look, Panel, SMALL, Sheet, columns_for, height_for, room_for, size_for};
use super::{Drawing, Figure, FigureError, FigureSpec, Need, Shown, Subject};
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use crate::svg::scale::Scale;
use crate::svg::text::{self, Anchor};
use crate::svg::{Area, Paint, Stroke, Svg};
use crate::table::text::number;
use crate::table::{
    CellResults, Column, Effects as Shares, Heading, Label, Quantity, Replicate, TableSpec, effects,
};

/// The kind `effects`.
pub(super) struct Effects;

/// Smaller sources of variance share a bar.
const SOURCES_MAX: usize = 8;

impl Figure for Effects {
    fn name(&self) -> &'static str {
        "effects"
    }

    fn about(&self) -> &'static str {
        "what each axis does to a metric: its share in the variance, and the mean of each of its levels"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[("y", Need::Required)]
    }

    /// Returns a drawing for each metric.
    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let places = spec.selected(study)?;
        let cells: Vec<CellResults> = places.iter().map(|&place| study.cells[place].clone()).collect();
        let columns = spec.y.iter().filter_map(|shown| match shown {
            Shown::Column(column) => Some(*column),
            Shown::Epoch(_) => None,
        });
        let shares = shares(columns.collect(), study.axes, &cells);
        let many = shares.quantities.len() > 1;
        let drawing = |(place, quantity): (usize, &Quantity)| {
            let name = if many { format!("effects-{}", place + 1) } else { "effects".to_owned() };
            drawing(spec, study, &cells, &shares, (place, *quantity), name)
        };
        Ok(shares.quantities.iter().enumerate().map(drawing).collect())
    }
}

fn shares(columns: Vec<Column>, axes: &[Heading], cells: &[CellResults]) -> Shares {
    let spec = TableSpec {
        rows: axes.to_vec(),
        columns: Vec::new(),
        cells: columns,
        baseline: Vec::new(),
        effects: true,
    };
    effects(&spec, axes, cells)
}

fn drawing(
    spec: &FigureSpec,
    study: &Subject<'_>,
    cells: &[CellResults],
    shares: &Shares,
    (place, quantity): (usize, Quantity),
    name: String,
) -> Drawing {
    let levels: Vec<(&Heading, Vec<Level>)> = study
        .axes
        .iter()
        .map(|axis| (axis, levels(axis, cells, quantity)))
        .filter(|(_, levels)| levels.len() > 1)
        .collect();
    let values = levels.iter().flat_map(|(_, levels)| levels).filter_map(|level| level.summary);
    let ends = values.flat_map(|summary| {
        let half = summary.half_width.unwrap_or(0.0);
        [summary.mean - half, summary.mean + half]
    });
    let up = scale_for(spec.y_scale, &ends.collect::<Vec<_>>());
    let columns = columns_for(levels.len() + 1);
    let left = left_of(&up, height_for(columns));
    let mut panels: Vec<Panel> = shares_panel(shares, place, room_for(columns)).into_iter().collect();
    let frame = (columns, left);
    panels.extend(levels.iter().map(|(axis, levels)| levels_panel(axis, levels, quantity, up, frame)));
    let shown = spoken(&quantity.heading());
    let title = spec.title.clone().unwrap_or_else(|| format!("{}: effects on {shown}", study.title));
    let mut notes = vec![
        "means of the levels over all trials that have a value; whiskers: 95 % Student-t interval over these trials, whose \
         other axes differ too"
            .to_owned(),
    ];
    notes.extend(shares.notes.iter().cloned());
    let description = format!("Main effects of the axes on {shown}");
    Sheet { title, legend: Vec::new(), panels, columns, notes, description }.finish(name)
}

/// One level of an axis.
struct Level {
    name: String,
    summary: Option<Summary>,
}

fn levels(axis: &Heading, cells: &[CellResults], quantity: Quantity) -> Vec<Level> {
    let mut names: Vec<String> = Vec::new();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for cell in cells {
        let labels = axis.settings.iter().map(|setting| Label::of(&cell.choices, setting).to_string());
        let name = labels.collect::<Vec<_>>().join(" ");
        let number = names.iter().position(|other| *other == name).unwrap_or_else(|| {
            names.push(name);
            values.push(Vec::new());
            names.len() - 1
        });
        let value = |replicate: &Replicate| match replicate {
            Replicate::Finished(outcome) => quantity.of(outcome),
            Replicate::Pending | Replicate::Missing => None,
        };
        values[number].extend(cell.replicates.iter().filter_map(value));
    }
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let level = |(name, values): (String, Vec<f64>)| Level { name, summary: quantiles.summarize(&values) };
    names.into_iter().zip(values).map(level).collect()
}

fn levels_panel(
    axis: &Heading,
    levels: &[Level],
    quantity: Quantity,
    up: Scale,
    (columns, left): (usize, f64),
) -> Panel {
    let across = Across::Names(levels.iter().map(|level| level.name.clone()).collect());
    let (across_title, up_title) = (spoken(&axis.name), title_of(quantity));
    let mut svg = Svg::default();
    let size = size_for(columns, left);
    let frame = Frame { across: &across, across_title: &across_title, up, up_title: &up_title, size, left };
    let plane = frame.draw(&mut svg);
    let look = Look::numbered(0);
    let mut line = Vec::new();
    for (number, level) in levels.iter().enumerate() {
        let x = plane.x(Place::Name(number));
        let Some(summary) = level.summary else {
            svg.text((x, plane.area.bottom() - 6.0), Anchor::Middle, SMALL, Paint::Muted, "–");
            continue;
        };
        let half = summary.half_width.unwrap_or(0.0);
        svg.line(
            (x, plane.y(summary.mean - half)),
            (x, plane.y(summary.mean + half)),
            Stroke::plain(look.paint(), 1.6),
        );
        line.push((x, plane.y(summary.mean)));
    }
    svg.polyline(&line, Stroke { dash: "2 3", ..Stroke::plain(look.paint(), 1.2) }, "");
    for (number, level) in levels.iter().enumerate() {
        if let Some(summary) = level.summary {
            let hover = format!(
                "{across_title} {}: {} over {} trials",
                level.name,
                self::number(&summary, quantity),
                summary.n
            );
            look.mark(&mut svg, (plane.x(Place::Name(number)), plane.y(summary.mean)), false, &hover);
        }
    }
    Panel { heading: across_title.clone(), svg, width: plane.outer.0, height: plane.outer.1 }
}

/// Draws the shares as bars to the right, the largest first; `None` where the grid has none.
fn shares_panel(shares: &Shares, place: usize, room: f64) -> Option<Panel> {
    let mut parts: Vec<(String, f64)> = shares
        .sources
        .iter()
        .filter_map(|source| Some((source.name(), (*source.shares.get(place)?)?)))
        .collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    if parts.len() > SOURCES_MAX {
        let rest: f64 = parts.split_off(SOURCES_MAX - 1).iter().map(|(_, share)| share).sum();
        parts.push(("all others".to_owned(), rest));
    }
    if parts.is_empty() {
        return None;
    }
    const ROW: f64 = 24.0;
    let names_most = room * 0.45;
    let names = parts.iter().map(|(name, _)| text::width(name, SMALL)).fold(0.0, f64::max).min(names_most);
    let mut svg = Svg::default();
    let left = names + 8.0;
    let full = (room - left - text::width("100.0 %", SMALL) - 10.0).min(460.0);
    for (row, (name, share)) in parts.iter().enumerate() {
        let y = row as f64 * ROW + 4.0;
        let shown = text::fitted(name, SMALL, names_most);
        svg.text((left - 8.0, y + ROW * 0.5), Anchor::End, SMALL, Paint::Muted, &shown);
        let width = (share.clamp(0.0, 1.0) * full).max(1.0);
        let percent = format!("{:.1} %", share * 100.0);
        let hover = format!("{name}: {percent} of the variance");
        svg.fill(Area { x: left, y, width, height: ROW * 0.7 }, Paint::Series(0), &hover);
        svg.text((left + width + 5.0, y + ROW * 0.5), Anchor::Start, SMALL, Paint::Ink, &percent);
    }
    let bottom = parts.len() as f64 * ROW + LABEL + 4.0;
    svg.text((left, bottom), Anchor::Start, LABEL, Paint::Ink, "share of the variance");
    let width = left + full + text::width("100.0 %", SMALL) + 8.0;
    Some(Panel { heading: "variance between all trials".to_owned(), svg, width, height: bottom + 6.0 })
}
