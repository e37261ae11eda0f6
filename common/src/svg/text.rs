//! How wide texts are: by the advance widths of the one font that pictures are made with.
//!
//! The font is a part of Arimo (`src/font/README.md`), which is as wide as Arial, Helvetica and Liberation Sans: what fits
//! here fits in a browser that has any of these.

/// The fonts of a picture, all of the same widths but the last.
pub const FAMILY: &str = "Gridsweep Sans, Arimo, Liberation Sans, Helvetica, Arial, sans-serif";

/// Units an em in the font.
const UNITS: f64 = 2048.0;
/// Characters that the font does not have are taken as this wide, as most are that stand for a whole word.
const UNKNOWN: u16 = 2048;

/// From the space to the tilde.
const ASCII: [u16; 95] = [
    569, 569, 727, 1139, 1139, 1821, 1366, 391, 682, 682, 797, 1196, 569, 682, 569, 569, 1139, 1139, 1139,
    1139, 1139, 1139, 1139, 1139, 1139, 1139, 569, 569, 1196, 1196, 1196, 1139, 2079, 1366, 1366, 1479, 1479,
    1366, 1251, 1593, 1479, 569, 1024, 1366, 1139, 1706, 1479, 1593, 1366, 1593, 1479, 1366, 1251, 1479,
    1366, 1933, 1366, 1366, 1251, 569, 569, 569, 961, 1139, 682, 1139, 1139, 1024, 1139, 1139, 569, 1139,
    1139, 455, 455, 1024, 455, 1706, 1139, 1139, 1139, 1139, 682, 1024, 569, 1139, 1024, 1479, 1024, 1024,
    1024, 684, 532, 684, 1196,
];

/// From U+00A0 to U+017F.
const LATIN: [u16; 224] = [
    569, 682, 1139, 1139, 1139, 1139, 532, 1139, 682, 1509, 758, 1139, 1196, 682, 1509, 1131, 819, 1124, 682,
    682, 682, 1180, 1100, 682, 682, 682, 748, 1139, 1708, 1708, 1708, 1251, 1366, 1366, 1366, 1366, 1366,
    1366, 2048, 1479, 1366, 1366, 1366, 1366, 569, 569, 569, 569, 1479, 1479, 1593, 1593, 1593, 1593, 1593,
    1196, 1593, 1479, 1479, 1479, 1479, 1366, 1366, 1251, 1139, 1139, 1139, 1139, 1139, 1139, 1821, 1024,
    1139, 1139, 1139, 1139, 569, 569, 569, 569, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 1124, 1251, 1139,
    1139, 1139, 1139, 1024, 1139, 1024, 1366, 1139, 1366, 1139, 1366, 1139, 1479, 1024, 1479, 1024, 1479,
    1024, 1479, 1024, 1479, 1259, 1479, 1139, 1366, 1139, 1366, 1139, 1366, 1139, 1366, 1139, 1366, 1139,
    1593, 1139, 1593, 1139, 1593, 1139, 1593, 1139, 1479, 1139, 1479, 1139, 569, 569, 569, 569, 569, 569,
    569, 455, 569, 569, 1505, 909, 1024, 455, 1366, 1024, 1024, 1139, 455, 1139, 455, 1139, 597, 1139, 684,
    1139, 455, 1479, 1139, 1479, 1139, 1479, 1139, 1237, 1481, 1139, 1593, 1139, 1593, 1139, 1593, 1139,
    2048, 1933, 1479, 682, 1479, 682, 1479, 682, 1366, 1024, 1366, 1024, 1366, 1024, 1366, 1024, 1251, 569,
    1251, 768, 1251, 569, 1479, 1139, 1479, 1139, 1479, 1139, 1479, 1139, 1479, 1139, 1479, 1139, 1933, 1479,
    1366, 1024, 1366, 1251, 1024, 1251, 1024, 1251, 1024, 455,
];

/// What else pictures write.
const OTHERS: &[(char, u16)] = &[
    ('\u{391}', 1366),
    ('\u{392}', 1366),
    ('\u{393}', 1128),
    ('\u{394}', 1368),
    ('\u{395}', 1366),
    ('\u{396}', 1251),
    ('\u{397}', 1479),
    ('\u{398}', 1593),
    ('\u{399}', 569),
    ('\u{39a}', 1366),
    ('\u{39b}', 1368),
    ('\u{39c}', 1706),
    ('\u{39d}', 1479),
    ('\u{39e}', 1331),
    ('\u{39f}', 1593),
    ('\u{3a0}', 1479),
    ('\u{3a1}', 1366),
    ('\u{3a3}', 1266),
    ('\u{3a4}', 1251),
    ('\u{3a5}', 1366),
    ('\u{3a6}', 1634),
    ('\u{3a7}', 1366),
    ('\u{3a8}', 1711),
    ('\u{3a9}', 1531),
    ('\u{3b1}', 1184),
    ('\u{3b2}', 1178),
    ('\u{3b3}', 1024),
    ('\u{3b4}', 1140),
    ('\u{3b5}', 913),
    ('\u{3b6}', 903),
    ('\u{3b7}', 1139),
    ('\u{3b8}', 1139),
    ('\u{3b9}', 455),
    ('\u{3ba}', 1024),
    ('\u{3bb}', 1024),
    ('\u{3bc}', 1180),
    ('\u{3bd}', 1024),
    ('\u{3be}', 917),
    ('\u{3bf}', 1139),
    ('\u{3c0}', 1413),
    ('\u{3c1}', 1165),
    ('\u{3c2}', 987),
    ('\u{3c3}', 1264),
    ('\u{3c4}', 809),
    ('\u{3c5}', 1120),
    ('\u{3c6}', 1328),
    ('\u{3c7}', 1075),
    ('\u{3c8}', 1460),
    ('\u{3c9}', 1599),
    ('\u{2010}', 682),
    ('\u{2011}', 682),
    ('\u{2012}', 1139),
    ('\u{2013}', 1139),
    ('\u{2014}', 2048),
    ('\u{2018}', 455),
    ('\u{2019}', 455),
    ('\u{201c}', 682),
    ('\u{201d}', 682),
    ('\u{201e}', 682),
    ('\u{2020}', 1139),
    ('\u{2022}', 717),
    ('\u{2026}', 2048),
    ('\u{2032}', 384),
    ('\u{2070}', 682),
    ('\u{2074}', 682),
    ('\u{2075}', 682),
    ('\u{2076}', 682),
    ('\u{2077}', 682),
    ('\u{2078}', 682),
    ('\u{2079}', 682),
    ('\u{207b}', 682),
    ('\u{2080}', 682),
    ('\u{2081}', 682),
    ('\u{2082}', 682),
    ('\u{2083}', 682),
    ('\u{2084}', 682),
    ('\u{20ac}', 1139),
    ('\u{2190}', 2048),
    ('\u{2192}', 2048),
    ('\u{2202}', 1012),
    ('\u{2206}', 1253),
    ('\u{2211}', 1460),
    ('\u{2212}', 1196),
    ('\u{221a}', 1124),
    ('\u{221e}', 1460),
    ('\u{2248}', 1124),
    ('\u{2260}', 1124),
    ('\u{2264}', 1124),
    ('\u{2265}', 1124),
    ('\u{fffd}', 1721),
];

/// Where a text stands at its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It has its middle there.
    Middle,
    /// It ends there.
    End,
}

impl Anchor {
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        }
    }
}

/// Returns how wide a line of text is, in pixels, in letters of `size` pixels an em.
pub fn width(text: &str, size: f64) -> f64 {
    let units: f64 = text.chars().map(|character| f64::from(advance(character))).sum();
    units * size / UNITS
}

fn advance(character: char) -> u16 {
    let place = |first: char| (character as usize).checked_sub(first as usize);
    if let Some(&units) = place(' ').and_then(|at| ASCII.get(at)) {
        return units;
    }
    if let Some(&units) = place('\u{a0}').and_then(|at| LATIN.get(at)) {
        return units;
    }
    OTHERS.iter().find(|(other, _)| *other == character).map_or(UNKNOWN, |(_, units)| *units)
}

/// Returns the text, or as much of it as fits with an ellipsis.
pub fn fitted(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept, size) + width("…", size) > most {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

/// Breaks a text into lines that fit, between words where that is possible.
pub fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer, size) <= most {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = broken(word, size, most, &mut lines);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Breaks a word that is longer than a line, and returns its last part.
fn broken(word: &str, size: f64, most: f64, lines: &mut Vec<String>) -> String {
    let mut part = String::new();
    for character in word.chars() {
        part.push(character);
        if width(&part, size) > most && part.chars().count() > 1 {
            part.pop();
            lines.push(std::mem::take(&mut part));
            part.push(character);
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let text = "the mean is over those 2 of 3 planned replicates that have a value, and_this_is_one_very_long_word";
        for most in [40.0, 90.0, 300.0, 2000.0] {
            let lines = wrapped(text, 12.0, most);
            assert!(lines.iter().all(|line| width(line, 12.0) <= most), "{lines:?}");
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert!(wrapped("", 12.0, 10.0).is_empty());
        assert_eq!(wrapped("ab", 12.0, 0.0), ["a", "b"], "a letter a line, and an end");
    }

    #[test]
    fn a_text_that_does_not_fit_says_so() {
        assert_eq!(fitted("coefficient", 12.0, 500.0), "coefficient");
        let short = fitted("coefficient", 12.0, 40.0);
        assert!(short.ends_with('…') && width(&short, 12.0) <= 40.0, "{short}");
    }

    #[test]
    fn widths_are_those_of_arial() {
        assert_eq!(width("Hello", 2048.0), 1479.0 + 1139.0 + 2.0 * 455.0 + 1139.0);
        assert_eq!(width("\u{4e2d}", 2048.0), 2048.0);
    }
}
