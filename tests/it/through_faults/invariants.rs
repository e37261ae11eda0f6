//! What must hold of a store whatever happens: looked at in the file itself, while it is written too.

use crate::support::said;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was seen of a store: none of it may go away again.
#[derive(Default)]
pub(crate) struct Books {
    term: i64,
    /// The digest of every trial's result.
    results: BTreeMap<String, String>,
    /// The number of every trial's last attempt.
    attempts: BTreeMap<String, i64>,
}

/// Questions whose answer is 0, whatever has happened.
const NONE_OF: [(&str, &str); 7] = [
    ("a result disagrees with another", "SELECT count(*) FROM conflict"),
    (
        "a trial that has ended has a live attempt",
        "SELECT count(*) FROM attempt JOIN trial ON trial.number = attempt.trial
         WHERE attempt.state IN ('offered', 'running') AND trial.state NOT IN ('leased', 'pending')",
    ),
    (
        "a result is of a trial that has not ended with one",
        "SELECT count(*) FROM result JOIN trial ON trial.number = result.trial
         WHERE trial.state NOT IN ('succeeded', 'diverged')",
    ),
    (
        "a trial has ended with a result that is not there",
        "SELECT count(*) FROM trial WHERE state IN ('succeeded', 'diverged')
         AND number NOT IN (SELECT trial FROM result)",
    ),
    (
        "a trial is not found by its id, or there twice",
        "SELECT (SELECT count(*) FROM trial) <> (SELECT count(DISTINCT trial.id) FROM trial JOIN
             (SELECT id, trial FROM identity UNION ALL SELECT id, trial FROM recent) AS known
             ON known.id = trial.id AND known.trial = trial.number)",
    ),
    (
        "a result's epochs have a gap",
        "SELECT count(*) FROM result WHERE epochs <> (SELECT count(*) FROM epoch WHERE epoch.trial = result.trial)
         OR epochs <> 1 + (SELECT max(epoch) FROM epoch WHERE epoch.trial = result.trial)",
    ),
    (
        "a trial's attempts have a gap, or a later one is of an earlier term",
        "SELECT count(*) FROM attempt AS later WHERE number > 1 AND NOT EXISTS (
             SELECT 1 FROM attempt AS earlier WHERE earlier.trial = later.trial
             AND earlier.number = later.number - 1 AND earlier.term <= later.term)",
    ),
];

impl Books {
    /// Looks at the store in a state folder. Everything that was there is there, and so is all that workers were told to
    /// be recorded, by what they wrote in `logs`.
    pub(crate) fn check(&mut self, state: &Path, logs: &[PathBuf]) -> Result<(), String> {
        // Read first: what is acknowledged while the store is read need not be seen there.
        let acknowledged: BTreeSet<String> = logs.iter().flat_map(|log| acknowledged(log)).collect();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Connection::open_with_flags(state.join("store.sqlite"), flags).map_err(in_words)?;
        store.busy_timeout(std::time::Duration::from_secs(10)).map_err(in_words)?;
        // One snapshot for all questions.
        store.execute_batch("BEGIN").map_err(in_words)?;
        let results: BTreeMap<String, String> = pairs(&store, "SELECT id, digest FROM recorded")?;
        let attempts: BTreeMap<String, i64> = pairs(
            &store,
            "SELECT id, max(attempt.number) FROM attempt JOIN trial ON trial.number = attempt.trial GROUP BY id",
        )?;
        let term: i64 = number(&store, "SELECT term FROM term")?;
        for (what, question) in NONE_OF {
            match number(&store, question)? {
                0 => {}
                count => return Err(format!("{what} ({count})")),
            }
        }
        if let Some((trial, _)) =
            self.results.iter().find(|(trial, digest)| results.get(*trial) != Some(*digest))
        {
            return Err(format!("the result of {trial} is gone, or another"));
        }
        if let Some(trial) = acknowledged.iter().find(|trial| !results.contains_key(*trial)) {
            return Err(format!("the result of {trial} was acknowledged and is not there"));
        }
        if let Some((trial, _)) =
            self.attempts.iter().find(|(trial, last)| attempts.get(*trial) < Some(*last))
        {
            return Err(format!("an attempt at {trial} is gone"));
        }
        if term < self.term {
            return Err(format!("term {term} came after term {}", self.term));
        }
        *self = Books { term, results, attempts };
        Ok(())
    }

    /// The coordinator's term.
    pub(crate) fn term(&self) -> i64 {
        self.term
    }

    /// How many results there are.
    pub(crate) fn results(&self) -> usize {
        self.results.len()
    }
}

/// The trials of which a worker has written that they were acknowledged. It writes so when it logs at `debug`.
pub(crate) fn acknowledged(log: &Path) -> Vec<String> {
    let said = said(log);
    let lines = said.lines().filter(|line| line.contains(" acknowledged "));
    let trials = lines.filter_map(|line| line.split_once("trial=")?.1.split_whitespace().next());
    trials.map(str::to_owned).collect()
}

/// Asks the store one question whose answer is a number.
pub(crate) fn ask(state: &Path, question: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let store = Connection::open_with_flags(state.join("store.sqlite"), flags).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    number(&store, question).unwrap()
}

fn number(store: &Connection, question: &str) -> Result<i64, String> {
    store.query_row(question, [], |row| row.get(0)).map_err(in_words)
}

fn pairs<V: rusqlite::types::FromSql>(
    store: &Connection,
    question: &str,
) -> Result<BTreeMap<String, V>, String> {
    let mut statement = store.prepare(question).map_err(in_words)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(in_words)?;
    rows.collect::<Result<_, _>>().map_err(in_words)
}

fn in_words(error: rusqlite::Error) -> String {
    format!("the store does not read: {error}")
}

mod counter_examples {
    use super::*;
    use crate::support::{Place, SWEEP, gridsweep, output};

    #[test]
    fn every_way_in_which_a_store_can_be_wrong_is_noticed() {
        let place = Place::new();
        let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
        let short = ["--set", "base.epochs=2", "--set", "base.hidden=[2]"];
        assert!(output(gridsweep(&state).arg("run").arg(&file).args(short)).status.success());
        let mut books = Books::default();
        books.check(&state, &[]).unwrap();
        assert_eq!((books.term(), books.results()), (1, 12));
        let told = place.write("told.log", "DEBUG converse: acknowledged trial=0123 attempt=1\n");
        assert!(books.check(&state, &[told]).unwrap_err().contains("acknowledged and is not there"));
        let one = "(SELECT min(trial) FROM result)";
        for (change, says) in [
            (format!("DELETE FROM result WHERE trial = {one}"), "is not there"),
            (format!("UPDATE result SET digest = '' WHERE trial = {one}"), "is gone, or another"),
            (format!("DELETE FROM epoch WHERE epoch = 0 AND trial = {one}"), "have a gap"),
            (format!("UPDATE attempt SET state = 'running' WHERE trial = {one}"), "a live attempt"),
            (format!("UPDATE attempt SET number = 2 WHERE trial = {one}"), "attempts have a gap"),
            (format!("UPDATE trial SET state = 'pending' WHERE number = {one}"), "has not ended with one"),
            (format!("DELETE FROM recent WHERE trial = {one}"), "not found by its id"),
            (
                "INSERT INTO trial SELECT 0, id, choices, seed_root, replicate, data, validation_fraction,
                 validation_pick, numerics, 'pending', NULL, NULL, 0 FROM trial LIMIT 1"
                    .into(),
                "there twice",
            ),
            (
                "INSERT INTO conflict (trial, attempt, digest, recorded_ms) VALUES ('', 1, '', 0)".into(),
                "disagrees",
            ),
            ("UPDATE term SET term = 0".into(), "came after"),
        ] {
            let copy = place.path("copy");
            std::fs::create_dir_all(&copy).unwrap();
            for file in ["store.sqlite", "store.sqlite-wal"] {
                std::fs::copy(state.join(file), copy.join(file)).unwrap();
            }
            let store = Connection::open(copy.join("store.sqlite")).unwrap();
            store.pragma_update(None, "foreign_keys", false).unwrap();
            assert_eq!(store.execute(&change, []).map(|count| count > 0), Ok(true), "{change}");
            drop(store);
            let wrong = books.check(&copy, &[]).expect_err(&change);
            assert!(wrong.contains(says), "{change}: {wrong}");
        }
        books.check(&state, &[]).unwrap();
    }
}
