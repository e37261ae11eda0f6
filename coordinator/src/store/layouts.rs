//! Readers read every layout that there was: for the earlier ones, views of their own stand for what the newest has.

use rusqlite::Connection;

/// The first layout in which trials have numbers. Before it, ids stand in their places.
const NUMBERED: u32 = 5;

/// Gives what was laid out otherwise the names of the newest layout, for this connection alone. `before` is what the
/// names stood for until now.
pub(super) fn name(connection: &Connection, before: u32, layout: u32) -> rusqlite::Result<()> {
    match (before >= NUMBERED, layout >= NUMBERED) {
        (true, false) => connection.execute_batch(
            "CREATE TEMP VIEW trial AS SELECT id AS number, * FROM main.trial;
             CREATE TEMP VIEW identity AS SELECT id, id AS trial FROM main.trial;
             CREATE TEMP VIEW recent AS SELECT id AS trial, id FROM main.trial WHERE 0;",
        ),
        (false, true) => {
            connection.execute_batch("DROP VIEW temp.trial; DROP VIEW temp.identity; DROP VIEW temp.recent;")
        }
        _ => Ok(()),
    }
}
