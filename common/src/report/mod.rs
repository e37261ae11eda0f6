//! The text forms of a [`Table`], one file a format.

use crate::table::Table;

/// One way to write a table down. The same table gives the same text, byte for byte, on every machine.
pub trait Format: Sync {
    /// Returns the name that chooses this format on a command line.
    fn name(&self) -> &'static str;

    /// Writes the table down, with a line break at its end.
    fn render(&self, table: &Table) -> String;
}
