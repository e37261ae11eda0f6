//! The plane that lines, bars and curves are drawn on: its axes, their ticks and their names.

use super::sheet::{LABEL, SMALL};
use crate::svg::scale::{Scale, ScaleKind};
use crate::svg::text::{self, Anchor};
use crate::svg::{Area, Paint, Stroke, Svg};

/// What runs along the horizontal axis.
#[derive(Clone, Debug)]
pub(super) enum Across {
    /// Numbers; on a logarithmic scale 0 may have a place of its own, left of a gap.
    Numbers { scale: Scale, has_zero: bool },
    /// Names, side by side.
    Names(Vec<String>),
}

/// Where something stands along the horizontal axis.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub(super) enum Place {
    Number(f64),
    Name(usize),
}

/// The share of the axis that is kept for 0 on a logarithmic scale.
const ZERO_SHARE: f64 = 0.12;
/// The angle of names that do not fit side by side, with its cosine and sine.
const TURN: (f64, f64, f64) = (-35.0, 0.819_152, 0.573_576);
/// The longest name below an axis.
const NAME_MOST: f64 = 130.0;

impl Across {
    /// Returns the axis of numbers that suits these values, unless a scale is asked for.
    pub(super) fn of(values: &[f64], asked: Option<ScaleKind>) -> Across {
        let positive: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
        let least = positive.iter().copied().fold(f64::INFINITY, f64::min);
        let most = positive.iter().copied().fold(0.0, f64::max);
        let is_wide = most >= 10.0 * least && values.iter().all(|value| *value >= 0.0);
        let kind = asked.unwrap_or(if is_wide { ScaleKind::Log } else { ScaleKind::Linear });
        let has_zero = kind == ScaleKind::Log && values.iter().any(|value| *value <= 0.0);
        Across::Numbers { scale: Scale::of(kind, values.iter().copied()), has_zero }
    }
}

/// A plane before its axes are drawn.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub(super) across: &'a Across,
    pub(super) across_title: &'a str,
    pub(super) up: Scale,
    pub(super) up_title: &'a str,
    /// Width and height of the plane, without what stands around it.
    pub(super) size: (f64, f64),
    /// How much room there is left of it; [`left_of`] says how much is needed.
    pub(super) left: f64,
}

/// Returns how much room the vertical axis needs.
pub(super) fn left_of(up: &Scale, height: f64) -> f64 {
    let labels = up.ticks(ticks_in(height)).into_iter().map(|tick| text::width(&tick.label, SMALL));
    LABEL * 1.5 + labels.fold(0.0, f64::max) + 8.0
}

fn ticks_in(height: f64) -> usize {
    (height / 38.0) as usize
}

/// A plane to draw on.
#[derive(Clone, Debug)]
pub(super) struct Plane<'a> {
    pub(super) area: Area,
    across: &'a Across,
    up: Scale,
    /// Width and height of the plane and all around it.
    pub(super) outer: (f64, f64),
}

impl<'a> Frame<'a> {
    /// Draws the axes and returns the plane.
    pub(super) fn draw(&self, svg: &mut Svg) -> Plane<'a> {
        let top = SMALL * 0.5;
        let area = Area { x: self.left, y: top, width: self.size.0, height: self.size.1 };
        let mut plane = Plane { area, across: self.across, up: self.up, outer: (0.0, 0.0) };
        self.draw_up(svg, &plane);
        let (right, bottom) = match self.across {
            Across::Numbers { scale, has_zero } => self.draw_numbers(svg, &plane, scale, *has_zero),
            Across::Names(names) => self.draw_names(svg, &plane, names),
        };
        svg.outline(area, Stroke::plain(Paint::Muted, 1.0));
        let most = self.left + self.size.0;
        let title = text::fitted(self.across_title, LABEL, most);
        let half = text::width(&title, LABEL) / 2.0;
        let middle = (area.x + area.width / 2.0).max(half);
        let baseline = bottom + LABEL + 3.0;
        svg.text((middle, baseline), Anchor::Middle, LABEL, Paint::Ink, &title);
        plane.outer = (right.max(middle + half).max(area.right()) + 2.0, baseline + 5.0);
        plane
    }

    fn draw_up(&self, svg: &mut Svg, plane: &Plane<'_>) {
        let area = plane.area;
        for tick in self.up.ticks(ticks_in(area.height)) {
            let y = plane.y(tick.value);
            svg.line((area.x, y), (area.right(), y), Stroke::plain(Paint::Grid, 1.0));
            svg.text((area.x - 6.0, y + SMALL * 0.36), Anchor::End, SMALL, Paint::Muted, &tick.label);
        }
        let title = text::fitted(self.up_title, LABEL, area.height + 12.0);
        let half = text::width(&title, LABEL) / 2.0;
        let middle = (area.y + area.height / 2.0).max(half);
        svg.turned_text((LABEL, middle), Anchor::Middle, LABEL, Paint::Ink, &title, -90.0);
    }

    /// Draws the ticks below the plane, and returns how far to the right and how deep they reach.
    fn draw_numbers(&self, svg: &mut Svg, plane: &Plane<'_>, scale: &Scale, has_zero: bool) -> (f64, f64) {
        let area = plane.area;
        let mut ticks: Vec<(f64, String)> = Vec::new();
        if has_zero {
            ticks.push((plane.x(Place::Number(0.0)), "0".to_owned()));
            draw_gap(svg, area);
        }
        // Labels that would touch are left out below.
        let count = (area.width / 45.0) as usize;
        ticks.extend(
            scale.ticks(count).into_iter().map(|tick| (plane.x(Place::Number(tick.value)), tick.label)),
        );
        let (mut free, mut right) = (f64::NEG_INFINITY, area.right());
        let baseline = area.bottom() + SMALL + 5.0;
        for (x, label) in ticks {
            svg.line((x, area.bottom()), (x, area.bottom() + 4.0), Stroke::plain(Paint::Muted, 1.0));
            let half = text::width(&label, SMALL) / 2.0;
            if x - half > free {
                svg.text((x, baseline), Anchor::Middle, SMALL, Paint::Muted, &label);
                (free, right) = (x + half + 5.0, right.max(x + half));
            }
        }
        (right, baseline)
    }

    fn draw_names(&self, svg: &mut Svg, plane: &Plane<'_>, names: &[String]) -> (f64, f64) {
        let area = plane.area;
        let slot = area.width / names.len().max(1) as f64;
        let baseline = area.bottom() + SMALL + 5.0;
        let widest = names.iter().map(|name| text::width(name, SMALL)).fold(0.0, f64::max);
        if widest <= slot - 4.0 {
            for (number, name) in names.iter().enumerate() {
                let at = (plane.x(Place::Name(number)), baseline);
                svg.text(at, Anchor::Middle, SMALL, Paint::Muted, name);
            }
            return (area.right(), baseline);
        }
        let (degrees, cosine, sine) = if slot > 20.0 { TURN } else { (-90.0, 0.0, 1.0) };
        // Turned to the left: the first name must not leave the picture.
        let room = if cosine > 0.0 { (self.left + slot / 2.0 - 6.0) / cosine } else { NAME_MOST };
        let mut depth = 0.0_f64;
        // Upright names that would touch are left out.
        let step = ((SMALL + 2.0) / slot).ceil().max(1.0) as usize;
        for (number, name) in names.iter().enumerate().step_by(step) {
            let name = text::fitted(name, SMALL, room.min(NAME_MOST));
            let at = (plane.x(Place::Name(number)) + SMALL * 0.36, area.bottom() + 12.0);
            svg.turned_text(at, Anchor::End, SMALL, Paint::Muted, &name, degrees);
            depth = depth.max(text::width(&name, SMALL) * sine);
        }
        (area.right(), area.bottom() + 14.0 + depth)
    }
}

/// Marks that the axis has no scale between 0 and the rest.
fn draw_gap(svg: &mut Svg, area: Area) {
    let middle = area.x + area.width * ZERO_SHARE * 0.8;
    svg.fill(Area { x: middle - 3.0, y: area.bottom() - 1.0, width: 6.0, height: 2.0 }, Paint::Paper, "");
    for x in [middle - 3.0, middle + 3.0] {
        svg.line(
            (x - 2.0, area.bottom() + 4.0),
            (x + 2.0, area.bottom() - 4.0),
            Stroke::plain(Paint::Muted, 1.0),
        );
    }
}

impl Plane<'_> {
    /// Returns where something stands from left to right.
    pub(super) fn x(&self, place: Place) -> f64 {
        let share = match (self.across, place) {
            (Across::Numbers { has_zero: true, .. }, Place::Number(value)) if value <= 0.0 => {
                ZERO_SHARE / 3.0
            }
            (Across::Numbers { scale, has_zero: true }, Place::Number(value)) => {
                ZERO_SHARE + (1.0 - ZERO_SHARE) * scale.place(value)
            }
            (Across::Numbers { scale, has_zero: false }, Place::Number(value)) => scale.place(value),
            (Across::Names(names), Place::Name(number)) => (number as f64 + 0.5) / names.len().max(1) as f64,
            (Across::Names(_), Place::Number(_)) | (Across::Numbers { .. }, Place::Name(_)) => 0.5,
        };
        self.area.x + share * self.area.width
    }

    /// Returns where a value stands from top to bottom, kept within the plane.
    pub(super) fn y(&self, value: f64) -> f64 {
        self.area.bottom() - self.up.place(value) * self.area.height
    }

    /// Returns how wide the room of one name is.
    pub(super) fn slot(&self) -> f64 {
        match self.across {
            Across::Names(names) => self.area.width / names.len().max(1) as f64,
            Across::Numbers { .. } => self.area.width / 12.0,
        }
    }
}
