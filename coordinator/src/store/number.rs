//! The numbers of trials. What is stored of a trial is found by its number, which grows: ids are hashes, and in their order
//! every trial would be on a page of its own.

use gridsweep_common::id::TrialId;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// The number of the trial with the id `?1`, as an expression.
pub(super) const NUMBER_OF: &str =
    "(SELECT trial FROM identity WHERE id = ?1 UNION ALL SELECT trial FROM recent WHERE id = ?1)";

/// How many trials `recent` has, at least, when they are moved to `identity`: one write of its pages for so many.
const RECENT_LEAST: i64 = 16_384;
/// And as a part of those that are there: the more pages, the more trials share a write of them.
const RECENT_PART: i64 = 16;

/// The numbers of the trials that have not ended: most of what is written is of them.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    open: BTreeMap<TrialId, i64>,
}

impl Numbers {
    /// Returns a trial's number, or an error where the store does not have it.
    pub(super) fn of(&self, connection: &Connection, trial: TrialId) -> rusqlite::Result<i64> {
        self.find(connection, trial)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Returns a trial's number, where the store has it.
    pub(super) fn find(&self, connection: &Connection, trial: TrialId) -> rusqlite::Result<Option<i64>> {
        match self.open.get(&trial) {
            Some(number) => Ok(Some(*number)),
            None => look_up(connection, trial),
        }
    }

    /// Remembers the number of a trial that was leased.
    pub(super) fn remember(&mut self, trial: TrialId, number: i64) {
        self.open.insert(trial, number);
    }

    /// Forgets the number of a trial that has ended.
    pub(super) fn forget(&mut self, trial: TrialId) {
        self.open.remove(&trial);
    }

    /// Forgets all numbers: some may be of trials that were not written after all.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

fn look_up(connection: &Connection, trial: TrialId) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT trial FROM identity WHERE id = ?1 UNION ALL SELECT trial FROM recent WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([trial.to_string()], |row| row.get(0)).optional()
}

/// Moves the trials of `recent` to `identity` once they are many. Numbers have no gaps, so the ends tell how many.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<()> {
    let end = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0));
    let (Some(first), Some(last)) =
        (end("SELECT min(trial) FROM recent")?, end("SELECT max(trial) FROM recent")?)
    else {
        return Ok(());
    };
    if last - first + 1 < RECENT_LEAST.max((first - 1) / RECENT_PART) {
        return Ok(());
    }
    connection.execute("INSERT INTO identity (id, trial) SELECT id, trial FROM recent ORDER BY id", [])?;
    connection.execute("DELETE FROM recent", []).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with so many trials, all of them recent.
    fn store(trials: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        super::super::migrations::ALL.iter().for_each(|text| connection.execute_batch(text).unwrap());
        add(&connection, 1, trials);
        connection
    }

    fn add(connection: &Connection, first: i64, last: i64) {
        let sql = "INSERT INTO recent (trial, id) WITH RECURSIVE number (n) AS
                   (SELECT ?1 UNION ALL SELECT n + 1 FROM number WHERE n < ?2)
                   SELECT n, printf('%032x', n * 7919 % 1048573) FROM number";
        connection.execute(sql, [first, last]).unwrap();
    }

    fn id(number: i64) -> TrialId {
        TrialId(u128::from((number * 7919 % 1_048_573).cast_unsigned()).to_be_bytes())
    }

    fn recent(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM recent", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_trial_is_found_by_its_id_wherever_its_number_is() {
        let connection = store(RECENT_LEAST - 1);
        settle(&connection).unwrap();
        assert_eq!(recent(&connection), RECENT_LEAST - 1, "too few to move");
        add(&connection, RECENT_LEAST, RECENT_LEAST);
        settle(&connection).unwrap();
        assert_eq!(recent(&connection), 0);
        add(&connection, RECENT_LEAST + 1, RECENT_LEAST + 10);
        settle(&connection).unwrap();
        assert_eq!(recent(&connection), 10);
        let numbers = Numbers::default();
        for number in [1, 2, RECENT_LEAST, RECENT_LEAST + 1, RECENT_LEAST + 10] {
            assert_eq!(numbers.of(&connection, id(number)), Ok(number));
        }
        assert_eq!(numbers.find(&connection, id(RECENT_LEAST + 11)), Ok(None));
        assert_eq!(numbers.of(&connection, id(RECENT_LEAST + 11)), Err(rusqlite::Error::QueryReturnedNoRows));
    }

    #[test]
    fn the_same_trial_twice_is_an_error_when_it_is_moved() {
        let connection = store(RECENT_LEAST);
        connection
            .execute("UPDATE recent SET id = (SELECT id FROM recent WHERE trial = 2) WHERE trial = 1", [])
            .unwrap();
        assert!(settle(&connection).is_err());
    }
}
