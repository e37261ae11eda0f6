//! What is wrong in a sweep file, where, and what to do about it.

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

impl Problem {
    /// Returns the line and column of its start, both counted from 1, the column in characters.
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Renders it for people: message, place, the line with carets under the place, help. Plain text, no colours.
    pub fn render(&self, file_name: &str, text: &str) -> String {
        let (line, column) = self.line_column(text);
        format!("error: {}\n  --> {file_name}:{line}:{column}", self.message)
    }
}
