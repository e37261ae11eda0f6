//! A store that an earlier version of the program wrote, as it did: `tests/golden/layout-4.sql`. It reads as it is, and
//! after it was brought up to date, to the same bytes as that version wrote.

use crate::support::{Place, gridsweep, stdout};
use crate::tables::golden;
use gridsweep_common::id::TrialId;
use gridsweep_coordinator::store::{Reader, SqliteReader, SqliteStore, Store};
use std::path::Path;

const OLD: &str = include_str!("../golden/layout-4.sql");

/// Returns a place with a state folder that has the old store.
fn place() -> Place {
    let place = Place::new();
    let state = place.path("state");
    std::fs::create_dir_all(&state).unwrap();
    let store = rusqlite::Connection::open(state.join("store.sqlite")).unwrap();
    store.execute_batch(OLD).unwrap();
    place
}

/// Everything that commands say of it, in a form that does not depend on the time.
fn said(state: &Path) -> String {
    let export = |what| stdout(gridsweep(state).args(["export", "layout", "--what", what]));
    let table = stdout(gridsweep(state).args(["table", "layout"]));
    let exports = ["trials", "epochs", "cells", "attempts"].map(export);
    exports.concat() + &table
}

/// Everything that a reader has of it.
fn read(reader: &SqliteReader) -> String {
    let attempted = reader.attempted(None, 100).unwrap();
    let of_trial =
        |id: TrialId| (reader.attempts(id).unwrap(), reader.epochs(id).unwrap(), reader.results(id).unwrap());
    let trials: Vec<_> = attempted.iter().map(|trial| of_trial(trial.id)).collect();
    let behind = reader.attempted(Some(attempted[4].id), 3).unwrap();
    let (ended, late) = (reader.ended(0, 100).unwrap(), reader.ended(4, 2).unwrap());
    assert_eq!((attempted.len(), ended.len(), late.len(), behind.as_slice()), (10, 8, 2, &attempted[5..8]));
    format!("{attempted:?} {trials:?} {ended:?} {late:?} {:?} {:?}", reader.running(), reader.conflicts())
}

#[test]
fn a_store_of_an_earlier_version_gives_the_same_bytes_before_and_after_it_is_brought_up_to_date() {
    let place = place();
    let state = place.path("state");
    golden("layout-4.txt", &said(&state));
    let reader = SqliteReader::open(&state).unwrap();
    let before = read(&reader);
    let mut store = SqliteStore::open(&state).unwrap();
    assert_eq!(read(&reader), before, "whoever looks meanwhile sees the same");
    assert_eq!(read(&SqliteReader::open(&state).unwrap()), before);
    assert_eq!(store.load().unwrap().len(), 16, "of results a line, of what has none every attempt");
    drop(store);
    golden("layout-4.txt", &said(&state));
    let backup = place.path("backup");
    std::fs::create_dir_all(&backup).unwrap();
    std::fs::rename(state.join("store.before-layout-5.sqlite"), backup.join("store.sqlite")).unwrap();
    golden("layout-4.txt", &said(&backup));
}

#[test]
fn the_order_in_which_trials_ended_goes_on_where_it_was() {
    let place = place();
    let state = place.path("state");
    let last = |state: &Path| SqliteReader::open(state).unwrap().ended(0, 100).unwrap().pop().unwrap();
    let before = last(&state).sequence;
    drop(SqliteStore::open(&state).unwrap());
    assert_eq!(last(&state).sequence, before);
    let store = rusqlite::Connection::open(state.join("store.sqlite")).unwrap();
    let open = "SELECT min(number) FROM trial WHERE state = 'pending'";
    store.execute(&format!("INSERT INTO ending (trial) VALUES (({open}))"), []).unwrap();
    let next: i64 = store.query_row("SELECT max(sequence) FROM ending", [], |row| row.get(0)).unwrap();
    assert!(next.cast_unsigned() > before);
}
