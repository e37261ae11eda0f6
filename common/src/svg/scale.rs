//! Scales of axes: where a value stands, and which values are named.

use super::number::log10;
use crate::choice::Number;

/// How an axis counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScaleKind {
    /// Equal differences are equally long.
    Linear,
    /// Equal ratios are equally long.
    Log,
}

/// The names of the scales, as sweep files have them.
pub const KINDS: [(&str, ScaleKind); 2] = [("linear", ScaleKind::Linear), ("log", ScaleKind::Log)];

/// A scale from its lowest value to its highest.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scale {
    kind: ScaleKind,
    low: f64,
    high: f64,
}

/// A value that an axis names.
#[derive(Clone, PartialEq, Debug)]
pub struct Tick {
    /// Where it stands.
    pub value: f64,
    /// How it is written.
    pub label: String,
}

impl Scale {
    /// Returns a scale on which all of these finite values stand, with a little room about them. On a logarithmic scale
    /// only the positive ones count.
    pub fn of(kind: ScaleKind, values: impl IntoIterator<Item = f64>) -> Scale {
        let counts = |value: &f64| value.is_finite() && (kind == ScaleKind::Linear || *value > 0.0);
        let mut bounds: Option<(f64, f64)> = None;
        for value in values.into_iter().filter(counts) {
            let (low, high) = bounds.unwrap_or((value, value));
            bounds = Some((low.min(value), high.max(value)));
        }
        let (low, high) = bounds.unwrap_or(match kind {
            ScaleKind::Linear => (0.0, 1.0),
            ScaleKind::Log => (0.1, 1.0),
        });
        Scale { kind, low, high }.with_room()
    }

    /// Returns the scale between exactly these values.
    pub fn between(kind: ScaleKind, low: f64, high: f64) -> Scale {
        Scale { kind, low, high }
    }

    /// Returns the scale from 0 on, where it is linear and positive.
    pub fn from_zero(self) -> Scale {
        if self.kind == ScaleKind::Linear && self.low > 0.0 { Scale { low: 0.0, ..self } } else { self }
    }

    fn with_room(self) -> Scale {
        const SHARE: f64 = 0.05;
        match self.kind {
            ScaleKind::Linear => {
                let span = self.high - self.low;
                // Of equal values: a tenth of them around, so that ticks have digits that differ.
                let room = if span > self.high.abs().max(self.low.abs()) * 1e-9 {
                    span * SHARE
                } else {
                    (self.high.abs() * 0.1).max(1e-6)
                };
                Scale { low: self.low - room, high: self.high + room, ..self }
            }
            ScaleKind::Log if self.high > self.low * 1.01 => {
                // The fourth root of the fourth root of the ratio: a sixteenth of its length, by roots alone.
                let root = (self.high / self.low).sqrt().sqrt().sqrt().sqrt();
                Scale { low: self.low / root, high: self.high * root, ..self }
            }
            ScaleKind::Log => Scale { low: self.low / 2.0, high: self.high * 2.0, ..self },
        }
    }

    /// Returns how it counts.
    pub fn kind(&self) -> ScaleKind {
        self.kind
    }

    /// Returns the lowest value.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Returns the highest value.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Returns where a value stands: 0 at the lowest, 1 at the highest, kept within these.
    pub fn place(&self, value: f64) -> f64 {
        let share = match self.kind {
            // Halved, so that a span of nearly all numbers does not overflow.
            ScaleKind::Linear => (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0),
            ScaleKind::Log if value <= 0.0 => 0.0,
            ScaleKind::Log => (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low)),
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// Returns about `count` values to name, in rising order.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.kind {
            ScaleKind::Linear => self.linear_ticks(count.max(2)),
            ScaleKind::Log => self.log_ticks(count.max(2)),
        }
    }

    /// Steps of 1, 2 or 5 times a power of ten: the smallest with at most `count` of them (Heckbert, "Nice numbers for
    /// graph labels", Graphics Gems, 1990).
    fn linear_ticks(&self, count: usize) -> Vec<Tick> {
        let span = self.high - self.low;
        if !(span > 0.0 && span.is_finite()) {
            return Vec::new();
        }
        let rough = span / count as f64;
        let first = floor_exponent(rough);
        for (digit, exponent) in
            [(1, first), (2, first), (5, first), (1, first + 1), (2, first + 1), (5, first + 1)]
        {
            let step = decimal(digit, exponent);
            let (from, to) = ((self.low / step).ceil(), (self.high / step).floor());
            if to - from < count as f64 {
                let decimals = usize::try_from(-exponent).unwrap_or(0);
                let wholes = (from as i64)..=(to as i64);
                return wholes.map(|whole| linear_tick(whole * digit, exponent, decimals)).collect();
            }
        }
        Vec::new()
    }

    /// Powers of ten; with 2 and 5 times them where these are few.
    fn log_ticks(&self, count: usize) -> Vec<Tick> {
        let (from, to) = (floor_exponent(self.low), floor_exponent(self.high));
        let decades = usize::try_from(to - from).unwrap_or(0);
        let digits: &[i64] = match decades {
            0 => &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            1 | 2 => &[1, 2, 5],
            _ => &[1],
        };
        let step = if decades > count { decades.div_ceil(count) } else { 1 };
        let mut ticks = Vec::new();
        for exponent in (from..=to).step_by(step) {
            for &digit in digits {
                let value = decimal(digit, exponent);
                if (self.low..=self.high).contains(&value) {
                    ticks.push(Tick { value, label: plain(value) });
                }
            }
        }
        ticks
    }
}

/// Returns digit · 10^exponent, the nearest number there is: read from its text, as powers are not exact.
fn decimal(digit: i64, exponent: i32) -> f64 {
    format!("{digit}e{exponent}").parse().unwrap_or(f64::INFINITY)
}

/// Returns the exponent of the largest power of ten that is not above a positive number, read off its text.
fn floor_exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

fn linear_tick(whole: i64, exponent: i32, decimals: usize) -> Tick {
    let value = decimal(whole, exponent);
    let label = if whole == 0 {
        "0".to_owned()
    } else if value.abs() >= 1e6 || decimals > 6 {
        format!("{value:e}")
    } else {
        format!("{value:.decimals$}")
    };
    Tick { value, label: label.replace('-', "−") }
}

fn plain(value: f64) -> String {
    Number::new(value).map_or_else(String::new, |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks(6).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_within_the_scale_in_rising_order() {
        let linear = |low, high| Scale::between(ScaleKind::Linear, low, high);
        assert_eq!(
            labels(linear(0.0, 1.0)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|l| if l == "0.0" { "0" } else { l })
        );
        assert_eq!(labels(linear(0.9512, 0.9822)), ["0.955", "0.960", "0.965", "0.970", "0.975", "0.980"]);
        assert_eq!(labels(linear(-30.0, 130.0)), ["0", "50", "100"]);
        let log = |low, high| Scale::between(ScaleKind::Log, low, high);
        assert_eq!(labels(log(0.00009, 1.1)), ["0.0001", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(log(0.15, 3.0)), ["0.2", "0.5", "1", "2"]);
        for (low, high) in [(1e-9, 2e-9), (1e-300, 1e300), (3.0, 3.1), (0.001, 1e6), (-1e9, 7.0)] {
            for kind in [ScaleKind::Linear, ScaleKind::Log] {
                let scale = Scale::of(kind, [low, high]);
                let ticks = scale.ticks(6);
                assert!(ticks.windows(2).all(|pair| pair[0].value < pair[1].value), "{scale:?}: {ticks:?}");
                assert!(ticks.len() < 12, "{scale:?}: {ticks:?}");
                assert!(ticks.iter().all(|tick| (scale.low()..=scale.high()).contains(&tick.value)));
            }
        }
    }

    #[test]
    fn equal_values_and_none_have_a_scale() {
        for kind in [ScaleKind::Linear, ScaleKind::Log] {
            for values in [vec![], vec![0.5], vec![0.5, 0.5], vec![f64::NAN], vec![0.0], vec![1e-12; 3]] {
                let scale = Scale::of(kind, values.iter().copied());
                assert!(scale.high() > scale.low(), "{kind:?} {values:?}: {scale:?}");
                assert!(scale.ticks(6).len() > 1, "{kind:?} {values:?}: {scale:?}");
            }
        }
    }

    #[test]
    fn places_rise_with_values_and_stay_within_the_axis() {
        let scale = Scale::of(ScaleKind::Log, [0.0001, 1.0]);
        let places: Vec<f64> = [0.0, 0.0001, 0.001, 0.01, 0.1, 1.0, 100.0].map(|v| scale.place(v)).to_vec();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
        assert_eq!((places[0], places[6]), (0.0, 1.0));
        let gaps: Vec<f64> = places[1..6].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-12), "{gaps:?}");
        assert_eq!(Scale::of(ScaleKind::Linear, [0.0, 1.0]).place(f64::NAN), 0.0);
    }
}
