//! The layouts of the store, one numbered file each, applied in order. The number is SQLite's `user_version`; the
//! digest of each applied file is kept, so that a store laid out by another text is noticed.

use super::StoreError;
use super::rows::store_error;
use gridsweep_common::id::Digest;
use rusqlite::Connection;
use std::path::Path;

/// The text of each layout, from number 1 on.
pub(super) const ALL: &[&str] = &[
    include_str!("0001.sql"),
    include_str!("0002.sql"),
    include_str!("0003.sql"),
    include_str!("0004.sql"),
    include_str!("0005.sql"),
];

/// Returns the number of the newest layout.
pub(super) fn newest() -> u32 {
    ALL.len() as u32
}

/// Returns the store's layout, 0 for an empty file, or an error where it is newer than this program.
pub(super) fn layout(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let found: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| store_error(path, error))?;
    if found > newest() {
        return Err(StoreError::TooNew { path: path.to_owned(), found, supported: newest() });
    }
    Ok(found)
}

/// Brings the store to the newest layout, keeping a copy of it before the first change.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = layout(connection, path)?;
    if found > 0 {
        check_texts(connection, path)?;
    }
    if found == newest() {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, found)?;
    }
    for (number, text) in (1..).zip(ALL).skip(found as usize) {
        apply(connection, number, text).map_err(|error| store_error(path, error))?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, number: u32, text: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, digest TEXT NOT NULL) STRICT",
    )?;
    transaction.execute_batch(text)?;
    transaction.execute("INSERT INTO migration VALUES (?1, ?2)", (number, digest(text)))?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

fn check_texts(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let applied = |connection: &Connection| -> rusqlite::Result<Vec<(i64, String)>> {
        let mut statement = connection.prepare("SELECT number, digest FROM migration ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    for (number, found) in applied(connection).map_err(|error| store_error(path, error))? {
        let index = usize::try_from(number - 1).ok();
        let expected = index.and_then(|index| ALL.get(index)).map(|text| digest(text));
        if expected.as_deref() != Some(&found) {
            let what = format!("its layout {number} was made by another text than this program's");
            return Err(StoreError::Damaged { path: path.to_owned(), what });
        }
    }
    Ok(())
}

fn back_up(connection: &Connection, path: &Path, layout: u32) -> Result<(), StoreError> {
    let copy = path.with_extension(format!("before-layout-{}.sqlite", layout + 1));
    let target = copy.to_string_lossy().into_owned();
    connection.execute("VACUUM INTO ?1", [target]).map(drop).map_err(|error| store_error(path, error))
}
