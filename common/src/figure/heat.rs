//! A grid of coloured squares with words in them.

use super::sheet::{LABEL, Panel, SMALL};
use crate::svg::text::{self, Anchor};
use crate::svg::{Area, Paint, Stroke, Svg};

/// One square.
#[derive(Clone, Debug)]
pub(super) struct Square {
    /// `None`: hatched, as nothing is known.
    pub(super) colour: Option<crate::svg::colour::Rgb>,
    /// At most two lines; what does not fit is left out.
    pub(super) words: Vec<String>,
    /// What a pointer shows.
    pub(super) hover: String,
}

/// A grid with the names of its rows and columns.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) across: String,
    pub(super) down: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<String>,
    /// Row by row; `None` where there is no such square.
    pub(super) squares: Vec<Vec<Option<Square>>>,
    /// Width and height of a square.
    pub(super) size: (f64, f64),
}

const TICK: f64 = 6.0;
/// Smaller letters than this are left out.
const WORDS_LEAST: f64 = 10.5;

/// Returns how much room there is left and right of the squares.
pub(super) fn room_beside(rows: &[String]) -> f64 {
    LABEL * 1.6 + widest(rows) + TICK + 2.0
}

fn widest(names: &[String]) -> f64 {
    names.iter().map(|name| text::width(name, SMALL)).fold(0.0, f64::max).min(150.0)
}

impl Grid {
    /// Draws the grid with its names.
    pub(super) fn panel(&self, heading: String) -> Panel {
        let (width, height) = self.size;
        let left = LABEL * 1.6 + widest(&self.rows) + TICK;
        let turned = self.columns.iter().any(|column| text::width(column, SMALL) > width - 3.0);
        let columns_height = if turned { self.columns_height() } else { SMALL + 3.0 };
        let mut svg = Svg::default();
        for (row, squares) in self.squares.iter().enumerate() {
            for (column, square) in squares.iter().enumerate() {
                let (x, y) = (left + column as f64 * width, row as f64 * height);
                if let Some(square) = square {
                    square.draw(&mut svg, Area { x, y, width, height });
                }
            }
            let y = (row as f64 + 0.5) * height + SMALL * 0.36;
            let name = text::fitted(&self.rows[row], SMALL, 150.0);
            svg.text((left - TICK, y), Anchor::End, SMALL, Paint::Muted, &name);
        }
        let (across, down) = (self.columns.len() as f64 * width, self.rows.len() as f64 * height);
        svg.outline(Area { x: left, y: 0.0, width: across, height: down }, Stroke::plain(Paint::Muted, 1.0));
        // Turned names that would touch are left out.
        let step = if turned { ((SMALL + 2.0) / width).ceil().max(1.0) as usize } else { 1 };
        for (column, name) in self.columns.iter().enumerate().step_by(step) {
            let x = left + (column as f64 + 0.5) * width;
            if turned {
                let name = text::fitted(name, SMALL, 150.0);
                svg.turned_text(
                    (x + SMALL * 0.36, down + TICK),
                    Anchor::End,
                    SMALL,
                    Paint::Muted,
                    &name,
                    -90.0,
                );
            } else {
                svg.text((x, down + SMALL + 3.0), Anchor::Middle, SMALL, Paint::Muted, name);
            }
        }
        let bottom = down + columns_height + LABEL + 6.0;
        let most = (across + left).max(60.0);
        let name = text::fitted(&self.across, LABEL, most);
        let middle = (left + across / 2.0).max(text::width(&name, LABEL) / 2.0);
        svg.text((middle, bottom), Anchor::Middle, LABEL, Paint::Ink, &name);
        let name = text::fitted(&self.down, LABEL, down.max(40.0));
        svg.turned_text((LABEL, down / 2.0), Anchor::Middle, LABEL, Paint::Ink, &name, -90.0);
        let reach =
            (left + across).max(middle + text::width(&text::fitted(&self.across, LABEL, most), LABEL) / 2.0);
        Panel { heading, svg, width: reach + 1.0, height: bottom + 4.0 }
    }

    fn columns_height(&self) -> f64 {
        TICK + widest(&self.columns)
    }
}

impl Square {
    fn draw(&self, svg: &mut Svg, area: Area) {
        let Some(colour) = self.colour else {
            svg.hatch(area, Paint::Muted, &self.hover);
            self.write(svg, area, Paint::Ink);
            return;
        };
        svg.fill(area, Paint::Fixed(colour), &self.hover);
        self.write(svg, area, colour.text_on());
    }

    fn write(&self, svg: &mut Svg, area: Area, paint: Paint) {
        let size = (area.height * 0.45).min(SMALL);
        if size < WORDS_LEAST {
            return;
        }
        let fits = |line: &&String| text::width(line, size) <= area.width - 2.0;
        let room = ((area.height - 2.0) / (size * 1.1)) as usize;
        let lines: Vec<&String> = self.words.iter().filter(fits).take(room).collect();
        let middle = (area.x + area.width / 2.0, area.y + area.height / 2.0);
        for (number, line) in lines.iter().enumerate() {
            let offset = (number as f64 - (lines.len() as f64 - 1.0) / 2.0) * size * 1.15;
            if self.colour.is_none() {
                // On hatching, letters need paper below them.
                let width = text::width(line, size) + 4.0;
                let area = Area {
                    x: middle.0 - width / 2.0,
                    y: middle.1 + offset - size * 0.6,
                    width,
                    height: size * 1.2,
                };
                svg.fill(area, Paint::Paper, "");
            }
            svg.text((middle.0, middle.1 + offset + size * 0.36), Anchor::Middle, size, paint, line);
        }
    }
}
