//! Metrics over an axis or a quantity of the shape, one line for what else varies, with bands over the replicates.

use super::cells::spoken;
use super::plot::{Across, Frame, Place, Plane, left_of};
use super::series::{Measured, Series, interval_note, matrices, title_of};
use super::sheet::{Entry, Look, Panel, Sheet, Swatch, columns_for, columns_of_levels, height_for, size_for};
use super::{Drawing, Figure, FigureError, FigureSpec, Need, Shown, Subject};
use crate::svg::scale::{Scale, ScaleKind};
use crate::svg::{Paint, Stroke, Svg};
use crate::table::{CellResults, Column, Quantity};

/// The kind `lines`.
pub(super) struct Lines;

impl Figure for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn about(&self) -> &'static str {
        "metrics over an axis, or over the depth, width or parameters of the networks; a line for what else varies"
    }

    fn keys(&self) -> &'static [(&'static str, Need)] {
        &[
            ("x", Need::Required),
            ("y", Need::Required),
            ("panels", Need::Optional),
            ("x_scale", Need::Optional),
            ("y_scale", Need::Optional),
        ]
    }

    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError> {
        let Some(along) = &spec.x else { return Err(FigureError::NoCells) };
        let series = Series::of(spec, study, along)?;
        let planned = plan(spec, &series);
        let count = planned.len();
        let columns = if series.panels.len() > 1 && count.is_multiple_of(series.panels.len()) {
            columns_of_levels(series.panels.len())
        } else {
            columns_for(count)
        };
        let across = across(spec, &series);
        let left = planned.iter().map(|group| left_of(&group.up, height_for(columns))).fold(0.0, f64::max);
        let panels = planned.iter().map(|group| group.panel(&series, &across, columns, left)).collect();
        let mut notes =
            vec![interval_note(&series, "band"), "hollow: over fewer replicates than planned".to_owned()];
        if !planned.iter().any(|group| group.has_hollow(&series)) {
            notes.pop();
        }
        if series.points.iter().any(|point| point.x.is_none()) {
            notes.push(format!("level lines: cells without {}", series.x_title));
        }
        notes.extend(series.notes());
        let shown = spec.y.iter().map(|shown| shown.name()).collect::<Vec<_>>().join(", ");
        let title = spec.title.clone();
        let title = title.unwrap_or_else(|| format!("{}: {shown} over {}", study.title, series.x_title));
        let description = format!("Lines of {shown} over {}", series.x_title);
        let legend = legend(&series, &planned);
        let sheet = Sheet { title, legend, panels, columns, notes, description };
        Ok(vec![sheet.finish("lines".to_owned())])
    }
}

/// One panel before it is drawn: lines of points.
struct Group {
    heading: String,
    up_title: String,
    up: Scale,
    lines: Vec<Line>,
}

struct Line {
    look: Look,
    name: String,
    /// What it is one of, where the legend says so once for all of them.
    family: &'static str,
    measured: Measured,
    /// Points of the series, from left to right.
    points: Vec<usize>,
}

fn across(spec: &FigureSpec, series: &Series<'_>) -> Across {
    if let Some(names) = &series.names {
        return Across::Names(names.clone());
    }
    let value = |place: Place| match place {
        Place::Number(value) => Some(value),
        Place::Name(_) => None,
    };
    let values: Vec<f64> = series.points.iter().filter_map(|point| point.x.and_then(value)).collect();
    Across::of(&values, spec.x_scale)
}

/// Returns the panels: for each level of `panels` and each metric one; `sparsity` has one for each line, with a line for
/// each weight matrix in it.
fn plan(spec: &FigureSpec, series: &Series<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for shown in &spec.y {
        match shown {
            Shown::Column(Column::Metric(metric)) => {
                let quantity = Quantity::Metric(*metric);
                let up = up_scale(spec.y_scale, [Measured::of(quantity, series)].iter());
                groups
                    .extend((0..series.panels.len()).map(|panel| metric_group(quantity, series, panel, up)));
            }
            Shown::Column(Column::Sparsity) => groups.extend(sparsity_groups(spec, series)),
            Shown::Epoch(_) => {}
        }
    }
    groups
}

/// Returns the scale that suits all values: logarithmic where they are positive and the largest is fifty times the least.
pub(super) fn up_scale<'a>(asked: Option<ScaleKind>, measured: impl Iterator<Item = &'a Measured>) -> Scale {
    let values: Vec<f64> = measured.flat_map(Measured::values).collect();
    scale_for(asked, &values)
}

/// The same for plain values.
pub(super) fn scale_for(asked: Option<ScaleKind>, values: &[f64]) -> Scale {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let is_wide = least > 0.0 && most >= 50.0 * least;
    Scale::of(
        asked.unwrap_or(if is_wide { ScaleKind::Log } else { ScaleKind::Linear }),
        values.iter().copied(),
    )
}

fn metric_group(quantity: Quantity, series: &Series<'_>, panel: usize, up: Scale) -> Group {
    let line = |number: usize| Line {
        look: Look::numbered(number),
        name: series.lines[number].clone(),
        family: "",
        measured: Measured::of(quantity, series),
        points: points_of(series, panel, number),
    };
    Group {
        heading: series.panels[panel].clone(),
        up_title: title_of(quantity),
        up,
        lines: (0..series.lines.len()).map(line).collect(),
    }
}

fn sparsity_groups(spec: &FigureSpec, series: &Series<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for panel in 0..series.panels.len() {
        for (line, name) in series.lines.iter().enumerate() {
            let points = points_of(series, panel, line);
            if points.is_empty() {
                continue;
            }
            let cells: Vec<&CellResults> = points.iter().map(|&point| series.points[point].cell).collect();
            let count = matrices(&cells);
            let lines = (1..=count).map(|matrix| Line {
                look: Look::graded(matrix - 1, count),
                name: matrix.to_string(),
                family: "weight matrix",
                measured: Measured::of(Quantity::Sparsity(matrix), series),
                points: points.clone(),
            });
            let up = match spec.y_scale {
                Some(ScaleKind::Log) => {
                    up_scale(spec.y_scale, lines.clone().map(|line| line.measured).collect::<Vec<_>>().iter())
                }
                _ => Scale::between(ScaleKind::Linear, -0.04, 1.04),
            };
            let words = [series.panels[panel].as_str(), name].map(str::to_owned);
            let heading = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
            let up_title = title_of(Quantity::Sparsity(1));
            groups.push(Group { heading, up_title, up, lines: lines.collect() });
        }
    }
    groups
}

/// Returns the points of a line in a panel, from left to right; those without an x come last.
fn points_of(series: &Series<'_>, panel: usize, line: usize) -> Vec<usize> {
    let is_on = |point: &usize| series.points[*point].panel == panel && series.points[*point].line == line;
    let mut points: Vec<usize> = (0..series.points.len()).filter(is_on).collect();
    let key = |point: &usize| match series.points[*point].x {
        Some(Place::Number(value)) => value,
        Some(Place::Name(number)) => number as f64,
        None => f64::INFINITY,
    };
    points.sort_by(|a, b| key(a).total_cmp(&key(b)));
    points
}

fn legend(series: &Series<'_>, groups: &[Group]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut known: Vec<(&str, &str)> = Vec::new();
    for line in groups.iter().flat_map(|group| &group.lines) {
        let key = (line.family, line.name.as_str());
        if line.name.is_empty() || known.contains(&key) {
            continue;
        }
        let has_mark = line.points.iter().any(|&point| series.points[point].x.is_some());
        let lead = if known.iter().any(|(family, _)| *family == line.family) { "" } else { line.family };
        let swatch = Swatch::Line(line.look, has_mark);
        entries.push(Entry { swatch, words: line.name.clone(), lead: lead.to_owned() });
        known.push(key);
    }
    entries
}

impl Group {
    fn has_hollow(&self, series: &Series<'_>) -> bool {
        self.lines.iter().any(|line| line.points.iter().any(|&point| line.measured.is_partial(series, point)))
    }

    /// `left`: the room that the widest of all vertical axes needs, so that planes stand below one another.
    fn panel(&self, series: &Series<'_>, across: &Across, columns: usize, left: f64) -> Panel {
        let mut svg = Svg::default();
        let size = size_for(columns, left);
        let up_title = self.up_title.as_str();
        let frame = Frame { across, across_title: &series.x_title, up: self.up, up_title, size, left };
        let plane = frame.draw(&mut svg);
        for line in &self.lines {
            line.draw_band(&mut svg, &plane, series);
        }
        for line in &self.lines {
            line.draw(&mut svg, &plane, series);
        }
        for (number, line) in self.lines.iter().enumerate() {
            line.draw_missing(&mut svg, &plane, series, number);
        }
        Panel { heading: self.heading.clone(), svg, width: plane.outer.0, height: plane.outer.1 }
    }
}

impl Line {
    /// Returns runs of neighbouring points that have a value.
    fn runs(&self, series: &Series<'_>) -> Vec<Vec<(Place, usize)>> {
        let mut runs: Vec<Vec<(Place, usize)>> = vec![Vec::new()];
        for &point in &self.points {
            let Some(x) = series.points[point].x else { continue };
            match (self.measured.summaries[point], runs.last_mut()) {
                (Some(_), Some(run)) => run.push((x, point)),
                _ => runs.push(Vec::new()),
            }
        }
        runs.retain(|run| !run.is_empty());
        runs
    }

    fn draw_band(&self, svg: &mut Svg, plane: &Plane<'_>, series: &Series<'_>) {
        const OPACITY: f64 = 0.16;
        // A single value has no interval: the band ends before it.
        let has_interval = |&(_, point): &(Place, usize)| {
            self.measured.summaries[point].is_some_and(|summary| summary.half_width.is_some())
        };
        let runs = self.runs(series);
        let known = runs.iter().flat_map(|run| run.split(|point| !has_interval(point)));
        for run in known.filter(|run| !run.is_empty()) {
            let edge = |side: f64| {
                let at = move |&(x, point): &(Place, usize)| {
                    let summary = self.measured.summaries[point]?;
                    Some((plane.x(x), plane.y(summary.mean + side * summary.half_width.unwrap_or(0.0))))
                };
                run.iter().filter_map(at).collect::<Vec<_>>()
            };
            let mut outline = edge(1.0);
            outline.extend(edge(-1.0).into_iter().rev());
            if run.len() > 1 {
                svg.polygon(&outline, self.look.paint(), OPACITY, "");
            } else if let [upper, lower] = outline[..] {
                svg.line(upper, lower, Stroke::plain(self.look.paint(), 1.5));
            }
        }
        for &point in self.points.iter().filter(|&&point| series.points[point].x.is_none()) {
            let Some(summary) = self.measured.summaries[point] else { continue };
            let half = summary.half_width.unwrap_or(0.0);
            let (upper, lower) = (plane.y(summary.mean + half), plane.y(summary.mean - half));
            let (from, to) = (plane.area.x, plane.area.right());
            let outline = [(from, upper), (to, upper), (to, lower), (from, lower)];
            svg.polygon(&outline, self.look.paint(), OPACITY * 0.6, "");
        }
    }

    fn draw(&self, svg: &mut Svg, plane: &Plane<'_>, series: &Series<'_>) {
        let at = |x: Place, point: usize| {
            (plane.x(x), plane.y(self.measured.summaries[point].map_or(0.0, |summary| summary.mean)))
        };
        for &point in self.points.iter().filter(|&&point| series.points[point].x.is_none()) {
            if let Some(summary) = self.measured.summaries[point] {
                let y = plane.y(summary.mean);
                let ends = [(plane.area.x, y), (plane.area.right(), y)];
                svg.polyline(&ends, self.look.stroke(1.6), &self.measured.hover(series, point));
            }
        }
        for run in self.runs(series) {
            let points: Vec<(f64, f64)> = run.iter().map(|&(x, point)| at(x, point)).collect();
            svg.polyline(&points, self.look.stroke(2.0), "");
            for (&(_, point), &centre) in run.iter().zip(&points) {
                let hover = self.measured.hover(series, point);
                self.look.mark(svg, centre, self.measured.is_partial(series, point), &hover);
            }
        }
    }

    /// Marks at the lower edge where a point would stand that has no value: hatched while it is not finished, crossed where
    /// it diverged or failed.
    fn draw_missing(&self, svg: &mut Svg, plane: &Plane<'_>, series: &Series<'_>, number: usize) {
        const SIDE: f64 = 9.0;
        for &point in &self.points {
            let Some(x) = series.points[point].x else { continue };
            let counts = &series.points[point].counts;
            let is_lacking = counts.succeeded < counts.planned;
            if self.measured.summaries[point].is_some() || !is_lacking {
                continue;
            }
            let y = plane.area.bottom() - (number as f64 + 1.0) * (SIDE + 2.0);
            let left = (plane.x(x) - SIDE / 2.0).clamp(plane.area.x, plane.area.right() - SIDE);
            let area = crate::svg::Area { x: left, y: y.max(plane.area.y), width: SIDE, height: SIDE };
            let hover = self.measured.hover(series, point);
            svg.fill(area, Paint::Paper, "");
            if counts.pending > 0 {
                svg.hatch(area, self.look.paint(), &hover);
                svg.outline(area, Stroke::plain(self.look.paint(), 1.0));
            } else {
                svg.cross(area, Stroke::plain(self.look.paint(), 2.0), &hover);
            }
        }
    }
}

impl Shown {
    /// Returns its name as people read it.
    pub(super) fn name(&self) -> String {
        match self {
            Shown::Column(Column::Sparsity) => "sparsity".to_owned(),
            Shown::Column(Column::Metric(metric)) => spoken(metric.name()),
            Shown::Epoch(metric) => spoken(metric.name()),
        }
    }
}
