//! The sheet that every figure stands on: title, legend, panels, notes below one another, each as high as it needs.

use super::Drawing;
use crate::svg::colour::graded;
use crate::svg::text::{self, Anchor};
use crate::svg::{Area, Paint, Stroke, Svg};

/// The outer margin of a sheet.
pub(super) const MARGIN: f64 = 14.0;
/// The gap between two panels.
pub(super) const GAP: f64 = 18.0;
/// The narrowest sheet: titles and notes need room too.
const WIDTH_LEAST: f64 = 420.0;
/// The widest sheet of panels side by side: printed 16 cm wide, its smallest letters are 6 points high.
pub(super) const WIDTH_MOST: f64 = 900.0;

/// Sizes of letters, in pixels.
pub(super) const TITLE: f64 = 17.0;
pub(super) const LABEL: f64 = 13.0;
pub(super) const SMALL: f64 = 12.0;

/// How a line and its points are told from the others, without colour too.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Look {
    paint: Paint,
    /// The form of its points.
    mark: usize,
    /// Which of [`DASHES`].
    dash: usize,
}

const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];
const MARKS: usize = 5;

impl Look {
    /// Returns the look of the `number`th line.
    pub(super) fn numbered(number: usize) -> Look {
        Look { paint: Paint::Series(number), mark: number % MARKS, dash: number % DASHES.len() }
    }

    /// Returns the look of the `number`th of `count` lines that have an order: neighbours have neighbouring colours.
    pub(super) fn graded(number: usize, count: usize) -> Look {
        let share = number as f64 / (count.max(2) - 1) as f64;
        Look { paint: Paint::Fixed(graded(share)), mark: number % MARKS, dash: number / MARKS % DASHES.len() }
    }

    pub(super) fn paint(self) -> Paint {
        self.paint
    }

    pub(super) fn stroke(self, width: f64) -> Stroke {
        Stroke { paint: self.paint, width, dash: DASHES[self.dash] }
    }

    /// Draws a point of the line; hollow where its mean is over fewer replicates than planned.
    pub(super) fn mark(self, svg: &mut Svg, at: (f64, f64), is_hollow: bool, hover: &str) {
        const RADIUS: f64 = 4.0;
        const FORMS: [&[(f64, f64)]; MARKS] = [
            &[],
            &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
        ];
        let fill = if is_hollow { Paint::Paper } else { self.paint };
        let outline = Stroke::plain(self.paint, 1.6);
        let corner = |&(dx, dy): &(f64, f64)| (at.0 + dx * RADIUS, at.1 + dy * RADIUS);
        match FORMS[self.mark] {
            [] => svg.dot(at, RADIUS, fill, outline, hover),
            form => svg.shape_through(&form.iter().map(corner).collect::<Vec<_>>(), fill, outline, hover),
        }
    }
}

/// Returns how many panels stand side by side.
pub(super) fn columns_for(panels: usize) -> usize {
    match panels {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

/// Returns how many stand side by side where each level of an axis has a panel for every metric: a metric's panels form
/// rows of their own.
pub(super) fn columns_of_levels(levels: usize) -> usize {
    if levels < 4 { levels.max(1) } else { columns_for(levels) }
}

/// Returns how wide a panel may be that so many stand side by side of, all around it included.
pub(super) fn room_for(columns: usize) -> f64 {
    let columns = columns.max(1) as f64;
    (WIDTH_MOST - 2.0 * MARGIN - GAP * (columns - 1.0)) / columns
}

/// Returns how high planes are that so many stand side by side of.
pub(super) fn height_for(columns: usize) -> f64 {
    match columns {
        0 | 1 => 300.0,
        2 => 240.0,
        _ => 190.0,
    }
}

/// Returns width and height of such planes, which need so much room left of them.
pub(super) fn size_for(columns: usize, left: f64) -> (f64, f64) {
    // The name of the last tick may reach beyond the plane.
    const RIGHT: f64 = 12.0;
    let most = if columns < 2 { 520.0 } else { 330.0 };
    ((room_for(columns) - left - RIGHT).min(most), height_for(columns))
}

/// What stands before the words of a legend's entry.
#[derive(Clone, Debug)]
pub(super) enum Swatch {
    /// A line with its mark.
    Line(Look, bool),
    /// A mark alone.
    Mark(Look),
    /// A ramp of colours between two words.
    Ramp(Vec<Paint>, String, String),
}

/// One entry of a legend.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) swatch: Swatch,
    pub(super) words: String,
    /// What stands before the first of a group of entries, on a line of its own; empty for all others.
    pub(super) lead: String,
}

const SWATCH: f64 = 26.0;
const RAMP: f64 = 90.0;
const LINE: f64 = 19.0;

impl Entry {
    /// Returns an entry that begins no group.
    pub(super) fn new(swatch: Swatch, words: String) -> Entry {
        Entry { swatch, words, lead: String::new() }
    }

    fn width(&self, most: f64) -> f64 {
        let lead = match &self.swatch {
            Swatch::Line(..) => SWATCH,
            Swatch::Mark(_) => 16.0,
            Swatch::Ramp(_, from, to) => RAMP + text::width(from, SMALL) + text::width(to, SMALL) + 18.0,
        };
        (lead + text::width(&self.words, LABEL)).min(most)
    }

    fn draw(&self, svg: &mut Svg, x: f64, y: f64, most: f64) {
        let middle = y - 4.0;
        let lead = match &self.swatch {
            Swatch::Line(look, has_mark) => {
                svg.line((x, middle), (x + SWATCH - 6.0, middle), look.stroke(2.0));
                if *has_mark {
                    look.mark(svg, (x + (SWATCH - 6.0) / 2.0, middle), false, "");
                }
                SWATCH
            }
            Swatch::Mark(look) => {
                look.mark(svg, (x + 5.0, middle), false, "");
                16.0
            }
            Swatch::Ramp(colours, from, to) => {
                svg.text((x, y), Anchor::Start, SMALL, Paint::Muted, from);
                let left = x + text::width(from, SMALL) + 5.0;
                let step = RAMP / colours.len() as f64;
                for (number, paint) in colours.iter().enumerate() {
                    let at = left + number as f64 * step;
                    svg.fill(Area { x: at, y: middle - 5.0, width: step + 0.3, height: 10.0 }, *paint, "");
                }
                svg.text((left + RAMP + 5.0, y), Anchor::Start, SMALL, Paint::Muted, to);
                RAMP + text::width(from, SMALL) + text::width(to, SMALL) + 18.0
            }
        };
        let words = text::fitted(&self.words, LABEL, most - lead);
        svg.text((x + lead, y), Anchor::Start, LABEL, Paint::Ink, &words);
    }
}

/// A figure that is put together.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) title: String,
    pub(super) legend: Vec<Entry>,
    pub(super) panels: Vec<Panel>,
    /// How many panels stand side by side.
    pub(super) columns: usize,
    pub(super) notes: Vec<String>,
    pub(super) description: String,
}

/// A part of a figure with a heading of its own, drawn from (0, 0) to (width, height).
#[derive(Debug, Default)]
pub(super) struct Panel {
    pub(super) heading: String,
    pub(super) svg: Svg,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Sheet {
    /// Puts everything below one another.
    pub(super) fn finish(self, name: String) -> Drawing {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows: Vec<&[Panel]> = self.panels.chunks(columns).collect();
        let widths: Vec<f64> = (0..columns)
            .map(|column| {
                rows.iter().filter_map(|row| row.get(column)).map(|panel| panel.width).fold(0.0, f64::max)
            })
            .collect();
        let inner = widths.iter().sum::<f64>() + GAP * (columns - 1) as f64;
        let inner = inner.max(WIDTH_LEAST - 2.0 * MARGIN);
        let mut svg = Svg::default();
        let mut y = MARGIN;
        for line in text::wrapped(&self.title, TITLE, inner) {
            y += TITLE * 1.2;
            svg.text((MARGIN, y - 4.0), Anchor::Start, TITLE, Paint::Ink, &line);
        }
        y = draw_legend(&mut svg, &self.legend, inner, y + 4.0) + 6.0;
        for row in rows {
            y = draw_row(&mut svg, row, &widths, y) + GAP * 0.6;
        }
        y = draw_notes(&mut svg, &self.notes, inner, y);
        let Sheet { title, description, notes, .. } = self;
        let description = std::iter::once(description).chain(notes).collect::<Vec<_>>().join("; ");
        let svg = svg.into_picture(inner + 2.0 * MARGIN, y + MARGIN, &title, &description);
        Drawing { name, title, description, svg }
    }
}

/// Draws the entries side by side in as many lines as they need, and returns where they end.
fn draw_legend(svg: &mut Svg, entries: &[Entry], most: f64, top: f64) -> f64 {
    const BETWEEN: f64 = 18.0;
    let (mut x, mut y) = (0.0, top);
    for (number, entry) in entries.iter().enumerate() {
        let lead = if entry.lead.is_empty() { 0.0 } else { text::width(&entry.lead, LABEL) + 12.0 };
        let width = entry.width(most);
        if number == 0 || lead > 0.0 || x + width > most {
            (x, y) = (0.0, y + LINE);
        }
        if lead > 0.0 {
            svg.text((MARGIN, y - 5.0), Anchor::Start, LABEL, Paint::Ink, &entry.lead);
            x += lead;
        }
        entry.draw(svg, MARGIN + x, y - 5.0, most);
        x += width + BETWEEN;
    }
    y
}

fn draw_row(svg: &mut Svg, row: &[Panel], widths: &[f64], top: f64) -> f64 {
    let lines = |panel: &Panel| text::wrapped(&panel.heading, LABEL, panel.width);
    let heading_lines = row.iter().map(|panel| lines(panel).len()).max().unwrap_or(0);
    let below = top + heading_lines as f64 * LABEL * 1.25 + if heading_lines > 0 { 4.0 } else { 0.0 };
    let mut x = MARGIN;
    for (panel, width) in row.iter().zip(widths) {
        for (number, line) in lines(panel).iter().enumerate() {
            let y = top + (number + 1) as f64 * LABEL * 1.25 - 3.0;
            svg.text((x, y), Anchor::Start, LABEL, Paint::Ink, line);
        }
        svg.place(&panel.svg, x, below);
        x += width + GAP;
    }
    below + row.iter().map(|panel| panel.height).fold(0.0, f64::max)
}

fn draw_notes(svg: &mut Svg, notes: &[String], most: f64, top: f64) -> f64 {
    let mut y = top;
    for note in notes {
        for line in text::wrapped(note, SMALL, most) {
            y += SMALL * 1.35;
            svg.text((MARGIN, y - 3.0), Anchor::Start, SMALL, Paint::Muted, &line);
        }
    }
    y
}
