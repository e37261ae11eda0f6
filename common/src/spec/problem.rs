//! What is wrong in a sweep file, where, and what to do about it.

use std::fmt::Write;
use std::ops::Range;

/// One thing that is wrong in a sweep file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong, in lower case.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The most characters of a line that are shown; of a longer one, what surrounds the place.
const SHOWN_MOST: usize = 100;

/// How many characters are shown before the place in a line that is too long.
const SHOWN_BEFORE: usize = 30;

impl Problem {
    /// Returns the line and column of its start, both counted from 1, the column in characters.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let start = boundary(text, self.span.start);
        let line_start = line_start(text, start);
        (text[..start].matches('\n').count() + 1, text[line_start..start].chars().count() + 1)
    }

    /// Renders it for people: message, place, the line with carets under the place, help. Plain text without colours
    /// and without a newline at its end.
    pub fn render(&self, file_name: &str, text: &str) -> String {
        let (line, column) = self.line_column(text);
        let start = boundary(text, self.span.start);
        let line_text = text[line_start(text, start)..].lines().next().unwrap_or_default();
        let end = boundary(text, self.span.end.max(start));
        let length = text[start..end].lines().next().unwrap_or_default().chars().count();
        let excerpt = Excerpt::new(line_text, column - 1, length);
        let gutter = " ".repeat(line.to_string().len());
        let mut out = format!("error: {}\n{gutter}--> {file_name}:{line}:{column}\n", self.message);
        // Writing to a string cannot fail.
        let _ = write!(out, "{gutter} |\n{line} | {}\n{gutter} | {}", excerpt.line, excerpt.carets);
        if let Some(help) = &self.help {
            let _ = write!(out, "\n{gutter} = help: {help}");
        }
        out
    }
}

/// The part of a line that is shown, and carets to stand under it.
struct Excerpt {
    line: String,
    carets: String,
}

impl Excerpt {
    /// `place` and `length` are in characters.
    fn new(line: &str, place: usize, length: usize) -> Excerpt {
        let total = line.chars().count();
        let first = if total > SHOWN_MOST { place.saturating_sub(SHOWN_BEFORE) } else { 0 };
        let mut shown = String::new();
        let mut carets = String::new();
        if first > 0 {
            shown.push('…');
            carets.push(' ');
        }
        for (index, character) in line.chars().enumerate().skip(first).take(SHOWN_MOST) {
            let marked = (place..place + length.max(1)).contains(&index);
            // A tab is as wide as the terminal likes; shown as two spaces, the carets stay below their place.
            let (text, width) = match character {
                '\t' => ("  ".to_owned(), 2),
                c if c.is_control() => ("\u{fffd}".to_owned(), 1),
                c => (c.to_string(), 1),
            };
            shown.push_str(&text);
            carets.push_str(&if marked { "^" } else { " " }.repeat(width));
        }
        if first + SHOWN_MOST < total {
            shown.push('…');
        }
        let mut carets = carets.trim_end().to_owned();
        if carets.is_empty() {
            // The place is at the end of the line or of the file.
            carets = " ".repeat(shown.chars().count()) + "^";
        }
        Excerpt { line: shown.trim_end().to_owned(), carets }
    }
}

/// Returns the largest character boundary of the text that is not above `at`.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(span: Range<usize>) -> Problem {
        Problem { span, message: "wrong".to_owned(), help: Some("change it".to_owned()) }
    }

    #[test]
    fn the_place_is_shown_below_tabs_and_wide_characters() {
        let text = "a = 1\n\té = \"ü\" x\n";
        let start = text.find("\"ü\"").unwrap();
        let shown = at(start..start + 4).render("f.toml", text);
        assert_eq!(
            shown,
            "error: wrong\n --> f.toml:2:6\n  |\n2 |   é = \"ü\" x\n  |       ^^^\n  = help: change it"
        );
    }

    #[test]
    fn of_a_long_line_only_the_surroundings_are_shown() {
        let text = format!("x = [{}]", "1, ".repeat(10_000));
        let shown = at(15_000..15_001).render("f.toml", &text);
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
        assert_eq!(shown.lines().nth(3).unwrap().matches('…').count(), 2);
        let caret = shown.lines().nth(4).unwrap().chars().position(|c| c == '^').unwrap();
        let line: Vec<char> = shown.lines().nth(3).unwrap().chars().collect();
        assert_eq!(line[caret], text.chars().nth(15_000).unwrap());
    }

    #[test]
    fn places_outside_the_text_and_inside_characters_are_rendered() {
        for text in ["", "é", "\n", "\r\n\r", "a\nb"] {
            for start in 0..6 {
                for end in 0..6 {
                    let span = start..end;
                    let shown = Problem { span, message: String::new(), help: None }.render("f", text);
                    assert!(shown.contains('^'));
                }
            }
        }
    }
}
