//! One set of cells for the tests of tables and formats.
