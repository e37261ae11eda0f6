//! Drawing: shapes and texts in, the text of an SVG out. The same calls give the same bytes on every machine.
//!
//! Coordinates are in pixels, x to the right and y down, and written with two decimals. Colours stand as plain
//! attributes, which every renderer knows, and as classes, which [`STYLE`] gives other colours where dark is preferred.

pub mod colour;
pub mod image;
mod number;
pub mod scale;
pub mod text;

pub use colour::{Paint, STYLE};
pub use number::{coordinate, log10, written};

use colour::painted;
use std::fmt::Write;
use text::Anchor;

/// A part of a picture: elements one after the other. Writing to a string does not fail.
#[derive(Clone, Debug, Default)]
pub struct Svg(String);

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    /// Its colour.
    pub paint: Paint,
    /// In pixels.
    pub width: f64,
    /// Lengths of strokes and gaps, such as `6 3`; empty for a line without gaps.
    pub dash: &'static str,
}

impl Stroke {
    /// Returns a line without gaps.
    pub fn plain(paint: Paint, width: f64) -> Stroke {
        Stroke { paint, width, dash: "" }
    }

    fn attributes(&self, fill: Option<Paint>) -> String {
        let dash =
            if self.dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", self.dash) };
        let painted = painted(fill, Some(self.paint));
        format!("{painted} stroke-width=\"{}\"{dash}", coordinate(self.width))
    }
}

/// A rectangle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Area {
    /// The left side.
    pub x: f64,
    /// The upper side.
    pub y: f64,
    /// To the right.
    pub width: f64,
    /// Down.
    pub height: f64,
}

impl Area {
    /// Returns the right side.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Returns the lower side.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Returns what is left within a margin.
    pub fn within(&self, margin: f64) -> Area {
        let (width, height) = ((self.width - 2.0 * margin).max(0.0), (self.height - 2.0 * margin).max(0.0));
        Area { x: self.x + margin, y: self.y + margin, width, height }
    }
}

impl Svg {
    /// Draws a filled rectangle; `hover` is shown where a pointer rests on it, unless it is empty.
    pub fn fill(&mut self, area: Area, paint: Paint, hover: &str) {
        let Area { x, y, width, height } = area;
        let [x, y, width, height] = [x, y, width, height].map(coordinate);
        let shape =
            format!("rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {}", paint.fill());
        self.shape(&shape, hover);
    }

    /// Draws the outline of a rectangle.
    pub fn outline(&mut self, area: Area, stroke: Stroke) {
        let Area { x, y, width, height } = area;
        let [x, y, width, height] = [x, y, width, height].map(coordinate);
        let stroke = stroke.attributes(Some(Paint::None));
        let _ = write!(self.0, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {stroke}/>");
    }

    /// Draws a straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(coordinate);
        let stroke = stroke.attributes(None);
        let _ = write!(self.0, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" {stroke}/>");
    }

    /// Draws a line through points, if there are two.
    pub fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke, hover: &str) {
        if points.len() > 1 {
            let (path, stroke) = (path(points), stroke.attributes(Some(Paint::None)));
            self.shape(&format!("path d=\"{path}\" {stroke} stroke-linejoin=\"round\""), hover);
        }
    }

    /// Fills the polygon through points, seen through to what lies below.
    pub fn polygon(&mut self, points: &[(f64, f64)], paint: Paint, opacity: f64, hover: &str) {
        if points.len() > 2 {
            let opacity = coordinate(opacity);
            let shape = format!("path d=\"{}Z\" {} fill-opacity=\"{opacity}\"", path(points), paint.fill());
            self.shape(&shape, hover);
        }
    }

    /// Fills the polygon through points and draws its outline.
    pub fn shape_through(&mut self, points: &[(f64, f64)], fill: Paint, outline: Stroke, hover: &str) {
        let (path, painted) = (path(points), outline.attributes(Some(fill)));
        self.shape(&format!("path d=\"{path}Z\" {painted}"), hover);
    }

    /// Draws a disc, or a ring where it is hollow.
    pub fn dot(&mut self, centre: (f64, f64), radius: f64, fill: Paint, ring: Stroke, hover: &str) {
        let [x, y, radius] = [centre.0, centre.1, radius].map(coordinate);
        let painted = ring.attributes(Some(fill));
        self.shape(&format!("circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {painted}"), hover);
    }

    /// Hatches a rectangle: nothing is known of what would stand there.
    pub fn hatch(&mut self, area: Area, paint: Paint, hover: &str) {
        const GAP: f64 = 6.0;
        let mut lines = String::new();
        let count = ((area.width + area.height) / GAP) as usize;
        for number in 1..=count {
            // Lines from the lower left to the upper right, cut at the sides.
            let along = number as f64 * GAP;
            let left = (along - area.height).max(0.0);
            let right = along.min(area.width);
            let at = |x: f64| (area.x + x, area.y + along - x);
            lines.push_str(&path(&[at(left), at(right)]));
        }
        // What carries the hover is the area, not the thin lines.
        let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(coordinate);
        let target =
            format!("rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill-opacity=\"0\"");
        if !lines.is_empty() {
            let _ = write!(self.0, "<path d=\"{lines}\" {}/>", Stroke::plain(paint, 1.0).attributes(None));
        }
        self.shape(&target, hover);
    }

    /// Shows `hover` where a pointer comes near a point, and draws nothing.
    pub fn target(&mut self, centre: (f64, f64), radius: f64, hover: &str) {
        let [x, y, radius] = [centre.0, centre.1, radius].map(coordinate);
        self.shape(&format!("circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill-opacity=\"0\""), hover);
    }

    /// Draws a cross from corner to corner of a rectangle.
    pub fn cross(&mut self, area: Area, stroke: Stroke, hover: &str) {
        let Area { x, y, .. } = area;
        let (falling, rising) =
            (path(&[(x, y), (area.right(), area.bottom())]), path(&[(x, area.bottom()), (area.right(), y)]));
        self.shape(&format!("path d=\"{falling}{rising}\" {}", stroke.attributes(Some(Paint::None))), hover);
    }

    /// Writes a line of text with its baseline at `at`.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, size: f64, paint: Paint, text: &str) {
        self.place_text(at, anchor, size, paint, text, 0.0);
    }

    /// Writes a line of text that is turned by `degrees`, clockwise, about `at`.
    pub fn turned_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        paint: Paint,
        text: &str,
        degrees: f64,
    ) {
        self.place_text(at, anchor, size, paint, text, degrees);
    }

    fn place_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        paint: Paint,
        text: &str,
        degrees: f64,
    ) {
        let [x, y, size] = [at.0, at.1, size].map(coordinate);
        let turn = if degrees == 0.0 {
            String::new()
        } else {
            format!(" transform=\"rotate({} {x} {y})\"", coordinate(degrees))
        };
        let (anchor, paint, text) = (anchor.attribute(), paint.fill(), escaped(text));
        let _ = write!(
            self.0,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor} {paint}{turn}>{text}</text>"
        );
    }

    /// Places an image, given as a `data:` address.
    pub fn image(&mut self, area: Area, data: &str, hover: &str) {
        let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(coordinate);
        let size = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        let how = "preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\"";
        self.shape(&format!("image {size} {how} href=\"{data}\""), hover);
    }

    /// Places a part that was drawn on its own.
    pub fn place(&mut self, part: &Svg, x: f64, y: f64) {
        let _ =
            write!(self.0, "<g transform=\"translate({} {})\">{}</g>", coordinate(x), coordinate(y), part.0);
        self.0.push('\n');
    }

    fn shape(&mut self, shape: &str, hover: &str) {
        if hover.is_empty() {
            let _ = write!(self.0, "<{shape}/>");
        } else {
            let name = shape.split(' ').next().unwrap_or_default();
            let _ = write!(self.0, "<{shape}><title>{}</title></{name}>", escaped(hover));
        }
    }

    /// Returns the whole picture on paper of its own, named and described for those who do not see it.
    pub fn into_picture(self, width: f64, height: f64, title: &str, description: &str) -> String {
        let [w, h] = [width, height].map(coordinate);
        let (title, description) = (escaped(title), escaped(description));
        let paper = Paint::Paper.fill();
        let family = text::FAMILY;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" preserveAspectRatio=\"xMinYMin\" role=\"img\" \
             font-family=\"{family}\">\n<title>{title}</title>\n<desc>{description}</desc>\n<style>{STYLE}</style>\n\
             <rect width=\"{w}\" height=\"{h}\" {paper}/>\n{}</svg>\n",
            self.0
        )
    }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        let _ = write!(out, "{letter}{} {}", coordinate(*x), coordinate(*y));
    }
    out
}

/// Writes a text so that XML has it as it is; what XML cannot have becomes a space.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_end_the_element_they_stand_in() {
        let mut svg = Svg::default();
        svg.text((0.0, 0.0), Anchor::Start, 12.0, Paint::Ink, "</text><script>\u{0}&\"");
        assert!(svg.0.contains("&lt;/text&gt;&lt;script&gt; &amp;&quot;"), "{}", svg.0);
    }

    #[test]
    fn hatching_stays_within_its_area() {
        let area = Area { x: 10.0, y: 20.0, width: 31.0, height: 17.0 };
        let mut svg = Svg::default();
        svg.hatch(area, Paint::Ink, "");
        let data = svg.0.split("d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let pairs = data.split(['M', 'L']).filter(|pair| !pair.is_empty());
        for (x, y) in pairs.map(|pair| pair.split_once(' ').unwrap()) {
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((area.x..=area.right()).contains(&x) && (area.y..=area.bottom()).contains(&y), "{x} {y}");
        }
    }

    #[test]
    fn what_is_not_finite_does_not_get_into_a_picture() {
        let mut svg = Svg::default();
        svg.line((f64::NAN, f64::INFINITY), (-0.001, 1e300), Stroke::plain(Paint::Ink, 1.0));
        assert!(svg.0.starts_with("<line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1000000\""), "{}", svg.0);
    }
}
