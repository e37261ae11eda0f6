//! Colours that those who do not tell all colours apart tell apart, on paper and in the dark.
//!
//! Lines have the palette of Okabe and Ito ("Color universal design", 2008) without its yellow, which is no colour on
//! white paper. In the dark the same hues are lighter. Areas have ramps of one hue, which keep their order in grey, or of
//! two hues from blue to orange about white.

/// How many colours lines have.
pub const SERIES: usize = 7;

/// What a shape is painted with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// Text and frames.
    Ink,
    /// Text of lesser weight, axes.
    Muted,
    /// Lines behind everything.
    Grid,
    /// What everything stands on.
    Paper,
    /// One of the colours of lines; from [`SERIES`] on they begin again.
    Series(usize),
    /// The same colour in light and dark.
    Fixed(Rgb),
    /// Nothing: what lies below shows.
    None,
}

/// Red, green and blue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// What every picture has as its style, and a page that holds pictures needs once: other colours on a screen where dark is
/// preferred, and images whose pixels stay rectangles however large they are drawn.
pub const STYLE: &str = "image{image-rendering:pixelated}@media screen and (prefers-color-scheme:dark){\
.gs-ink{fill:#e8e8e8}.gs-muted{fill:#aeb4ba}.gs-grid{fill:#343a40}.gs-paper{fill:#15181b}\
.gs-ink-l{stroke:#e8e8e8}.gs-muted-l{stroke:#aeb4ba}.gs-grid-l{stroke:#343a40}.gs-paper-l{stroke:#15181b}\
.gs-0{fill:#4da3e0}.gs-1{fill:#f2813a}.gs-2{fill:#2cc796}.gs-3{fill:#e39bc6}.gs-4{fill:#f5bc42}.gs-5{fill:#a5dcff}\
.gs-6{fill:#e8e8e8}\
.gs-0-l{stroke:#4da3e0}.gs-1-l{stroke:#f2813a}.gs-2-l{stroke:#2cc796}.gs-3-l{stroke:#e39bc6}.gs-4-l{stroke:#f5bc42}\
.gs-5-l{stroke:#a5dcff}.gs-6-l{stroke:#e8e8e8}}";

const LINES: [Rgb; SERIES] = [
    Rgb(0x00, 0x72, 0xb2),
    Rgb(0xd5, 0x5e, 0x00),
    Rgb(0x00, 0x9e, 0x73),
    Rgb(0xcc, 0x79, 0xa7),
    Rgb(0xe6, 0x9f, 0x00),
    Rgb(0x56, 0xb4, 0xe9),
    Rgb(0x22, 0x22, 0x22),
];

/// Returns the attributes of a shape's inside and of its outline.
pub(super) fn painted(fill: Option<Paint>, outline: Option<Paint>) -> String {
    let mut classes = Vec::new();
    let mut colours = String::new();
    for (paint, suffix, attribute) in [(fill, "", "fill"), (outline, "-l", "stroke")] {
        let Some(paint) = paint else { continue };
        classes.extend(paint.class().map(|class| format!("gs-{class}{suffix}")));
        let colour = if paint == Paint::None { "none".to_owned() } else { paint.light().hex() };
        colours.push_str(&format!(" {attribute}=\"{colour}\""));
    }
    let class = if classes.is_empty() { String::new() } else { format!("class=\"{}\"", classes.join(" ")) };
    format!("{class}{colours}").trim_start().to_owned()
}

impl Paint {
    pub(super) fn fill(self) -> String {
        painted(Some(self), None)
    }

    fn class(self) -> Option<String> {
        Some(match self {
            Paint::Ink => "ink".to_owned(),
            Paint::Muted => "muted".to_owned(),
            Paint::Grid => "grid".to_owned(),
            Paint::Paper => "paper".to_owned(),
            Paint::Series(number) => (number % SERIES).to_string(),
            Paint::Fixed(_) | Paint::None => return None,
        })
    }

    fn light(self) -> Rgb {
        match self {
            Paint::Ink => Rgb(0x22, 0x22, 0x22),
            Paint::Muted => Rgb(0x59, 0x5f, 0x65),
            Paint::Grid => Rgb(0xe4, 0xe7, 0xea),
            Paint::Paper | Paint::None => Rgb(0xff, 0xff, 0xff),
            Paint::Series(number) => LINES[number % SERIES],
            Paint::Fixed(colour) => colour,
        }
    }
}

impl Rgb {
    fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    fn mix(self, other: Rgb, share: f64) -> Rgb {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share + 0.5) as u8;
        Rgb(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }

    /// Returns black or white, whichever is read better on this colour.
    pub fn text_on(self) -> Paint {
        // Luma of ITU-R BT.601.
        let luma = 299 * u32::from(self.0) + 587 * u32::from(self.1) + 114 * u32::from(self.2);
        Paint::Fixed(if luma > 140_000 { Rgb(0x11, 0x11, 0x11) } else { Rgb(0xff, 0xff, 0xff) })
    }
}

/// From nearly white to a dark blue, evenly darker; `share` is within 0 … 1.
pub fn blues(share: f64) -> Rgb {
    ramp(&[Rgb(0xf3, 0xf7, 0xfb), Rgb(0x9e, 0xc5, 0xe3), Rgb(0x3a, 0x82, 0xbd), Rgb(0x08, 0x30, 0x6b)], share)
}

/// From nearly white to a dark orange; `share` is within 0 … 1.
pub fn oranges(share: f64) -> Rgb {
    ramp(&[Rgb(0xfb, 0xf6, 0xf1), Rgb(0xf6, 0xb0, 0x78), Rgb(0xd5, 0x5e, 0x00)], share)
}

/// From blue through white to orange; `share` is within −1 … 1.
pub fn diverging(share: f64) -> Rgb {
    let white = Rgb(0xf7, 0xf7, 0xf7);
    if share < 0.0 {
        ramp(&[white, Rgb(0x6b, 0xae, 0xd6), Rgb(0x08, 0x45, 0x94)], -share)
    } else {
        ramp(&[white, Rgb(0xf2, 0x9a, 0x56), Rgb(0x9e, 0x3d, 0x00)], share)
    }
}

/// Colours in an order from violet over rose to olive, each of a brightness that is read on white and on black, and none of
/// those that the first lines have; `share` is within 0 … 1.
pub fn graded(share: f64) -> Rgb {
    const ORDER: [Rgb; 5] = [
        Rgb(0x7a, 0x5c, 0xd6),
        Rgb(0xa9, 0x5c, 0xbe),
        Rgb(0xbb, 0x68, 0x96),
        Rgb(0xa8, 0x7b, 0x63),
        Rgb(0x8f, 0x8f, 0x1f),
    ];
    ramp(&ORDER, share)
}

fn ramp(colours: &[Rgb], share: f64) -> Rgb {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let place = share * (colours.len() - 1) as f64;
    let from = (place as usize).min(colours.len() - 2);
    colours[from].mix(colours[from + 1], place - from as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(colour: Rgb) -> u32 {
        299 * u32::from(colour.0) + 587 * u32::from(colour.1) + 114 * u32::from(colour.2)
    }

    #[test]
    fn ramps_keep_their_order_in_grey() {
        for ramp in [blues, oranges] {
            for step in 1..=50 {
                let (before, after) = (ramp(f64::from(step - 1) / 50.0), ramp(f64::from(step) / 50.0));
                assert!(luma(after) < luma(before), "{step}");
            }
        }
        assert_eq!(blues(f64::NAN), blues(0.0));
        assert_eq!(diverging(2.0), diverging(1.0));
    }

    #[test]
    fn every_class_has_a_colour_in_the_dark() {
        let named = [Paint::Ink, Paint::Muted, Paint::Grid, Paint::Paper];
        for paint in named.into_iter().chain((0..SERIES).map(Paint::Series)) {
            let class = paint.class().unwrap();
            assert!(STYLE.contains(&format!(".gs-{class}{{fill:#")), "{class}");
            assert!(STYLE.contains(&format!(".gs-{class}-l{{stroke:#")), "{class}");
        }
    }
}
