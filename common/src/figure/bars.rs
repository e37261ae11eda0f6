//! Metrics side by side: a bar from zero, or a dot where zero is far away, each with its interval.

use super::lines::scale_for;
use super::plot::{Across, Frame, Plane, left_of};
use super::series::{Measured, Series, interval_note, title_of};
use super::sheet::{Entry, Look, Panel, Sheet, Swatch, columns_for, columns_of_levels, height_for, size_for};
use super::{Drawing, Figure, FigureError, FigureSpec, Need, Shown, Subject};
use crate::svg::scale::{Scale, ScaleKind};
use crate::svg::{Area, Paint, Stroke, Svg};
use crate::table::{Column, Quantity};

/// The kind `bars`.
pub(super) struct Bars;

/// Where the spread of the values is a smaller share of the largest, bars from zero would all look the same.
const BAR_SPREAD_LEAST: f64 = 0.2;

impl Figure for Bars {
    fn name(&self) -> &'static str {
        "bars"
    }

    fn about(&self) -> &'static str {
        "metrics of the levels of an axis side by side: bars from zero, or dots where zero is far away, with intervals"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[
            ("x", Need::Required),
            ("y", Need::Required),
            ("panels", Need::Optional),
            ("y_scale", Need::Optional),
        ]
    }

    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let Some(along) = &spec.x else { return Err(FigureError::NoCells) };
        let mut series = Series::of(spec, study, along)?;
        series.name_all();
        let across = Across::Names(series.names.clone().unwrap_or_default());
        let quantities = quantities(spec, &series);
        let count = quantities.len() * series.panels.len();
        let levels = series.panels.len();
        let columns = if levels > 1 { columns_of_levels(levels) } else { columns_for(count) };
        let styled = quantities.iter().map(|quantity| {
            let measured = Measured::of(*quantity, &series);
            let style = Style::of(spec.y_scale, &measured);
            (measured, style)
        });
        let styled: Vec<(Measured, Style)> = styled.collect();
        let left =
            styled.iter().map(|(_, style)| left_of(&style.up, height_for(columns))).fold(0.0, f64::max);
        let mut panels = Vec::new();
        for (measured, style) in &styled {
            for panel in 0..levels {
                panels.push(draw_panel(&series, measured, style, &across, panel, (columns, left)));
            }
        }
        let shown = spec.y.iter().map(|shown| shown.name()).collect::<Vec<_>>().join(", ");
        let mut notes = vec![interval_note(&series, "whiskers")];
        notes.extend(series.notes());
        let title = spec.title.clone();
        let title = title.unwrap_or_else(|| format!("{}: {shown} by {}", study.title, series.x_title));
        let description = format!("{shown} by {}", series.x_title);
        let sheet = Sheet { title, legend: legend(&series), panels, columns, notes, description };
        Ok(vec![sheet.finish("bars".to_owned())])
    }
}

fn quantities(spec: &FigureSpec, series: &Series<'_>) -> Vec<Quantity> {
    let cells: Vec<_> = series.points.iter().map(|point| point.cell).collect();
    let expand = |shown: &Shown| match shown {
        Shown::Column(Column::Metric(metric)) => vec![Quantity::Metric(*metric)],
        Shown::Column(Column::Sparsity) => {
            (1..=super::series::matrices(&cells)).map(Quantity::Sparsity).collect()
        }
        Shown::Epoch(_) => Vec::new(),
    };
    spec.y.iter().flat_map(expand).collect()
}

fn legend(series: &Series<'_>) -> Vec<Entry> {
    if series.lines.len() < 2 {
        return Vec::new();
    }
    let entry = |(number, name): (usize, &String)| {
        let words = if name.is_empty() { "the others".to_owned() } else { name.clone() };
        Entry::new(Swatch::Mark(Look::numbered(number)), words)
    };
    series.lines.iter().enumerate().map(entry).collect()
}

/// How the values of one quantity are drawn in all panels.
struct Style {
    up: Scale,
    has_bars: bool,
}

impl Style {
    fn of(asked: Option<ScaleKind>, measured: &Measured) -> Style {
        let values: Vec<f64> = measured.values().collect();
        let scale = scale_for(asked, &values);
        let means = || measured.summaries.iter().flatten().map(|summary| summary.mean);
        let (least, most) = (means().fold(f64::INFINITY, f64::min), means().fold(0.0, f64::max));
        let is_spread = most - least >= BAR_SPREAD_LEAST * most;
        let has_bars = scale.kind() == ScaleKind::Linear && least >= 0.0 && most > 0.0 && is_spread;
        let up = if has_bars { Scale::between(ScaleKind::Linear, 0.0, scale.high()) } else { scale };
        Style { up, has_bars }
    }
}

fn draw_panel(
    series: &Series<'_>,
    measured: &Measured,
    style: &Style,
    across: &Across,
    panel: usize,
    (columns, left): (usize, f64),
) -> Panel {
    let mut svg = Svg::default();
    let (up, up_title) = (style.up, title_of(measured.quantity));
    let size = size_for(columns, left);
    let frame = Frame { across, across_title: &series.x_title, up, up_title: &up_title, size, left };
    let plane = frame.draw(&mut svg);
    let step = (plane.slot() * 0.72 / series.lines.len().max(1) as f64).min(46.0);
    for (place, point) in series.points.iter().enumerate().filter(|(_, point)| point.panel == panel) {
        let Some(x) = point.x else { continue };
        let offset = (point.line as f64 - (series.lines.len() as f64 - 1.0) / 2.0) * step;
        let bar = Bar { x: plane.x(x) + offset, width: step * 0.86, look: Look::numbered(point.line) };
        bar.draw(&mut svg, &plane, series, measured, place, style.has_bars);
    }
    let heading = match measured.quantity {
        Quantity::Sparsity(matrix) => {
            format!("{} weight matrix {matrix}", series.panels[panel]).trim().to_owned()
        }
        Quantity::Metric(_) => series.panels[panel].clone(),
    };
    Panel { heading, svg, width: plane.outer.0, height: plane.outer.1 }
}

struct Bar {
    x: f64,
    width: f64,
    look: Look,
}

impl Bar {
    fn draw(
        &self,
        svg: &mut Svg,
        plane: &Plane<'_>,
        series: &Series<'_>,
        measured: &Measured,
        place: usize,
        has_bars: bool,
    ) {
        let hover = measured.hover(series, place);
        let Some(summary) = measured.summaries[place] else {
            self.draw_missing(svg, plane, series.points[place].counts.pending > 0, &hover);
            return;
        };
        let (x, y) = (self.x, plane.y(summary.mean));
        let is_partial = measured.is_partial(series, place);
        if has_bars {
            let area =
                Area { x: x - self.width / 2.0, y, width: self.width, height: plane.area.bottom() - y };
            if is_partial {
                svg.hatch(area, self.look.paint(), &hover);
                svg.outline(area, Stroke::plain(self.look.paint(), 1.2));
            } else {
                svg.fill(area, self.look.paint(), &hover);
            }
        }
        if let Some(half) = summary.half_width {
            let (upper, lower) = (plane.y(summary.mean + half), plane.y(summary.mean - half));
            let paint = if has_bars { Paint::Ink } else { self.look.paint() };
            let cap = (self.width / 2.0).min(6.0);
            svg.line((x, upper), (x, lower), Stroke::plain(paint, 1.6));
            for end in [upper, lower] {
                svg.line((x - cap, end), (x + cap, end), Stroke::plain(paint, 1.6));
            }
        }
        if !has_bars {
            self.look.mark(svg, (x, y), is_partial, &hover);
        }
    }

    fn draw_missing(&self, svg: &mut Svg, plane: &Plane<'_>, is_pending: bool, hover: &str) {
        let side = self.width.min(14.0);
        let (x, y) = (self.x - side / 2.0, plane.area.bottom() - side - 4.0);
        if is_pending {
            let area = Area {
                x: self.x - self.width / 2.0,
                y: plane.area.y,
                width: self.width,
                height: plane.area.height,
            };
            svg.hatch(area, self.look.paint(), hover);
        } else {
            let area = Area { x, y, width: side, height: side };
            svg.cross(area, Stroke::plain(self.look.paint(), 2.0), hover);
        }
    }
}
