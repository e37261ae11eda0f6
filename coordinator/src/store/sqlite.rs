//! The store in one SQLite file, `store.sqlite` in the state folder.
//!
//! One process writes, and holds `store.lock` while it does; any number read at the same time (WAL), and never block it.
//! Every commit is an fsync (`synchronous=FULL`): what the coordinator acknowledges survives a power cut.

use super::load::{self, LoadedAttempt};
use super::number::{NUMBER_OF, Numbers};
use super::rows::{self, store_error};
use super::write::write;
use super::{
    AttemptedTrial, Batch, Detail, EndedTrial, Reader, RunningAttempt, Store, StoreError, StoredAttempt,
    StoredResults, StoredSweep, StoredTrial, layouts, migrations, passed, scan,
};
use crate::core::{Event, KnownResult, Moment};
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::id::{Fence, SweepId, Term, TrialId, WorkerId};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_common::trial::TrialSpec;
use rusqlite::{Connection, DropBehavior, OpenFlags, Row, ToSql, TransactionBehavior};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "store.sqlite";
const LOCK: &str = "store.lock";

/// How much of the file is kept in memory, in KiB: what is written lies at the ends of the tables, but for the ids of
/// trials, all of which are rewritten from time to time.
const CACHE_KIB: i64 = 64 * 1024;

/// How long a statement waits for a reader that holds up a checkpoint.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the lock is tried, and how long in between: a look at whether it is held takes microseconds.
const LOCK_TRIES: u32 = 10;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// The writing side.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    numbers: Numbers,
    path: PathBuf,
    /// Held for as long as the store is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// The reading side.
#[derive(Debug)]
pub struct SqliteReader {
    connection: Connection,
    /// The layout that the names of tables stand for.
    named: Cell<u32>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the store in a state folder for writing, making both where they are absent.
    pub fn open(state: &Path) -> Result<SqliteStore, StoreError> {
        let folder_error = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Folder { path, source }
        };
        std::fs::create_dir_all(state).map_err(folder_error(state))?;
        let lock_path = state.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(folder_error(&lock_path))?;
        take_lock(&lock, state, &lock_path)?;
        let path = state.join(FILE);
        let mut connection = Connection::open(&path).map_err(|error| store_error(&path, error))?;
        prepare(&connection).map_err(|error| store_error(&path, error))?;
        migrations::migrate(&mut connection, &path)?;
        Ok(SqliteStore { connection, numbers: Numbers::default(), path, _lock: lock })
    }

    /// Returns whether some process holds the store in this state folder open for writing.
    pub fn is_in_use(state: &Path) -> bool {
        File::open(state.join(LOCK))
            .is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    fn opened(&self, frozen: FrozenSweep) -> Result<Arc<OpenSweep>, StoreError> {
        frozen.open().map(Arc::new).map_err(|problems| StoreError::Damaged {
            path: self.path.clone(),
            what: format!(
                "a stored sweep does not read: {}",
                problems.first().map_or("", |p| p.message.as_str())
            ),
        })
    }

    fn damaged(&self, what: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what }
    }
}

/// Takes the lock, waiting a moment for someone who only looks whether it is held.
fn take_lock(lock: &File, state: &Path, lock_path: &Path) -> Result<(), StoreError> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Folder { path: lock_path.to_owned(), source });
            }
        }
    }
    Err(StoreError::InUse { path: state.to_owned() })
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

impl Drop for SqliteStore {
    /// Leaves everything in the one file, so that it can be copied away. What fails here is done by the next one.
    fn drop(&mut self) {
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

impl Store for SqliteStore {
    fn begin_term(&mut self) -> Result<Term, StoreError> {
        let begin = |connection: &mut Connection| -> rusqlite::Result<i64> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("UPDATE term SET term = term + 1", [])?;
            let term = transaction.query_row("SELECT term FROM term", [], |row| row.get(0))?;
            transaction.commit()?;
            Ok(term)
        };
        let term = begin(&mut self.connection).map_err(|error| store_error(&self.path, error))?;
        Ok(Term(term.cast_unsigned()))
    }

    fn load(&mut self) -> Result<Vec<Event>, StoreError> {
        let loaded = self.load_rows().map_err(|error| store_error(&self.path, error))?;
        let mut events = Vec::new();
        let mut sweeps = BTreeMap::new();
        for sweep in loaded.sweeps {
            let open = self.opened(sweep.frozen.clone())?;
            events.extend(sweep.events(Arc::clone(&open)));
            sweeps.insert(sweep.id, open);
        }
        if !loaded.results.is_empty() {
            events.push(Event::ResultsKnown { results: loaded.results });
        }
        for LoadedAttempt { trial, spec, attempt, is_last, is_reopened, end } in loaded.attempts {
            self.push_attempt(&mut events, trial, spec, &attempt)?;
            if is_reopened {
                events.push(Event::TrialReopened { trial });
            }
            if is_last {
                events.extend(end);
            }
        }
        for (sweep, trials) in loaded.passed {
            self.push_passed(&mut events, sweep, sweeps.get(&sweep), trials)?;
        }
        events.extend(loaded.checkpoints);
        events.extend(loaded.conflicts);
        Ok(events)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let current = write(&mut self.connection, &mut self.numbers, batch)
            .map_err(|error| store_error(&self.path, error))?;
        if current != batch.term {
            return Err(StoreError::Superseded { current, own: batch.term });
        }
        Ok(())
    }
}

/// What was read to begin with.
struct Loaded {
    sweeps: Vec<StoredSweep>,
    results: Vec<KnownResult>,
    attempts: Vec<LoadedAttempt>,
    passed: BTreeMap<SweepId, Vec<TrialId>>,
    checkpoints: Vec<Event>,
    conflicts: Vec<Event>,
}

impl SqliteStore {
    fn load_rows(&self) -> rusqlite::Result<Loaded> {
        let load::Known { ids, results, open } = load::known(&self.connection)?;
        Ok(Loaded {
            sweeps: read_sweeps(&self.connection, migrations::newest())?,
            results,
            attempts: load::attempts(&self.connection, &open)?,
            passed: passed::read(&self.connection, &ids)?,
            checkpoints: read_checkpoints(&self.connection)?,
            conflicts: read_conflicts(&self.connection)?,
        })
    }

    /// Tells which trials a sweep has passed, if its grid still has them where they were: another version of this program may
    /// have other ids. Otherwise it begins anew.
    fn push_passed(
        &self,
        events: &mut Vec<Event>,
        sweep: SweepId,
        open: Option<&Arc<OpenSweep>>,
        trials: Vec<TrialId>,
    ) -> Result<(), StoreError> {
        let is_there = |index: usize, id: &TrialId| {
            Some(*id) == open.and_then(|of| of.trial(index as u64)).map(|of| of.id())
        };
        let is_first_there = trials.first().is_some_and(|id| is_there(0, id));
        if is_first_there && trials.last().is_some_and(|id| is_there(trials.len() - 1, id)) {
            events.push(Event::PrefixPassed { sweep, trials });
            return Ok(());
        }
        passed::forget(&self.connection, sweep).map_err(|error| store_error(&self.path, error))
    }

    fn push_attempt(
        &self,
        events: &mut Vec<Event>,
        trial: TrialId,
        spec: Arc<TrialSpec>,
        stored: &StoredAttempt,
    ) -> Result<(), StoreError> {
        let attempt = stored.attempt;
        events.push(Event::AttemptLeased {
            fence: Fence { term: stored.term, trial, attempt },
            spec,
            worker: WorkerId(0),
            worker_name: stored.worker.as_str().into(),
            expires: Moment(0),
        });
        if let Some(ending) = rows::read_attempt_end(stored).map_err(|what| self.damaged(what))? {
            events.push(Event::AttemptEnded { trial, attempt, ending });
        }
        Ok(())
    }
}

impl SqliteReader {
    /// Opens the store in a state folder for reading.
    pub fn open(state: &Path) -> Result<SqliteReader, StoreError> {
        let path = state.join(FILE);
        if !path.exists() {
            return Err(StoreError::Absent { path: state.to_owned() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&path, flags).map_err(|error| store_error(&path, error))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| store_error(&path, error))?;
        match migrations::layout(&connection, &path)? {
            0 => Err(StoreError::Absent { path: state.to_owned() }),
            _ => Ok(SqliteReader { connection, named: Cell::new(migrations::newest()), path }),
        }
    }

    /// Returns the trials that have ended and fulfil a condition.
    fn ended_where(
        &self,
        condition: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Vec<StoredTrial>, StoreError> {
        let spec = rows::SPEC_COLUMNS.replace("numerics", "trial.numerics");
        let summary = rows::SUMMARY_COLUMNS.replace("numerics", "result.numerics");
        let sql = format!(
            "SELECT id, {spec}, state, failure, failure_detail, {summary}, recorded_ms, sequence
             FROM ending JOIN trial ON trial.number = ending.trial LEFT JOIN result ON result.trial = trial.number
             WHERE {condition}"
        );
        self.rows(&sql, parameters, |row| {
            let end = rows::read_end(row, 8)?;
            let (end, failure) = end.ok_or(rusqlite::Error::InvalidQuery)?;
            Ok(StoredTrial {
                sequence: row.get::<_, i64>(24)?.cast_unsigned(),
                id: rows::read_id(row, 0)?,
                spec: rows::read_spec(row, 1)?,
                end,
                failure,
                summary: rows::read_summary(row, 11, rows::read_matrices)?,
                recorded_ms: row.get(23)?,
            })
        })
    }

    fn rows<T>(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.at_once(|connection, _| rows_of(connection, sql, parameters, read))
    }

    /// Reads what is there at one moment, in the layout that it has then: a coordinator may bring it up to date at any time.
    fn at_once<T>(
        &self,
        read: impl FnOnce(&Connection, u32) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let within = |error| store_error(&self.path, error);
        let mut moment = self.connection.unchecked_transaction().map_err(within)?;
        moment.set_drop_behavior(DropBehavior::Commit);
        let layout = migrations::layout(&moment, &self.path)?;
        layouts::name(&moment, self.named.replace(layout), layout).map_err(within)?;
        read(&moment, layout).map_err(within)
    }
}

fn rows_of<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(parameters, read)?.collect()
}

/// Reads the sweeps; earlier layouts than the fourth know no priorities and no cancellation.
fn read_sweeps(connection: &Connection, layout: u32) -> rusqlite::Result<Vec<StoredSweep>> {
    let columns = if layout < 4 { "0, 0" } else { "priority, is_cancelled" };
    let sql = format!("SELECT id, name, frozen, submitted_ms, {columns} FROM sweep ORDER BY id");
    rows_of(connection, &sql, &[], |row| {
        Ok(StoredSweep {
            id: SweepId(row.get::<_, i64>(0)?.cast_unsigned()),
            name: row.get(1)?,
            frozen: rows::json(row, 2)?,
            submitted_ms: row.get(3)?,
            priority: row.get(4)?,
            is_cancelled: row.get(5)?,
        })
    })
}

/// Reads the conflicts whose results were kept: the first layout kept none.
fn read_conflicts(connection: &Connection) -> rusqlite::Result<Vec<Event>> {
    let sql = "SELECT trial, attempt, digest, outcome FROM conflict WHERE outcome IS NOT NULL ORDER BY rowid";
    rows_of(connection, sql, &[], rows::read_conflict)
}

fn read_checkpoints(connection: &Connection) -> rusqlite::Result<Vec<Event>> {
    let sql = "SELECT id, attempt, blob, length, epoch, step FROM checkpoint JOIN trial ON trial.number = checkpoint.trial
               ORDER BY trial.number";
    rows_of(connection, sql, &[], rows::read_checkpoint)
}

/// Returns the text that sorts before every id, or the id itself.
fn key(after: Option<TrialId>) -> String {
    after.map_or_else(String::new, |id| id.to_string())
}

impl Reader for SqliteReader {
    fn sweeps(&self) -> Result<Vec<StoredSweep>, StoreError> {
        self.at_once(read_sweeps)
    }

    fn ended(&self, after: u64, limit: usize) -> Result<Vec<StoredTrial>, StoreError> {
        let condition = "sequence > ?1 ORDER BY sequence LIMIT ?2";
        self.ended_where(condition, &[&after.cast_signed(), &(limit as i64)])
    }

    fn for_each_ended(
        &self,
        sweep: &OpenSweep,
        detail: Detail,
        take: &mut dyn FnMut(u64, EndedTrial),
    ) -> Result<(), StoreError> {
        scan::map(&self.connection).map_err(|error| store_error(&self.path, error))?;
        self.at_once(|connection, _| scan::scan(connection, sweep, detail, take))
    }

    fn epochs(&self, trial: TrialId) -> Result<Vec<EpochMetrics>, StoreError> {
        let columns = rows::EPOCH_COLUMNS;
        let sql = format!("SELECT {columns} FROM epoch WHERE trial = {NUMBER_OF} ORDER BY epoch");
        let epochs = self.rows(&sql, &[&trial.to_string()], |row| rows::read_epoch(row, 0))?;
        if !epochs.is_empty() {
            return Ok(epochs);
        }
        let sql = format!(
            "SELECT {columns} FROM preview WHERE trial = {NUMBER_OF}
             AND attempt = (SELECT max(number) FROM attempt WHERE attempt.trial = preview.trial) ORDER BY epoch"
        );
        self.rows(&sql, &[&trial.to_string()], |row| rows::read_epoch(row, 0))
    }

    fn attempts(&self, trial: TrialId) -> Result<Vec<StoredAttempt>, StoreError> {
        let columns = rows::ATTEMPT_COLUMNS;
        let sql = format!("SELECT {columns} FROM attempt WHERE trial = {NUMBER_OF} ORDER BY number");
        self.rows(&sql, &[&trial.to_string()], |row| rows::read_attempt(row, 0))
    }

    fn running(&self) -> Result<Vec<RunningAttempt>, StoreError> {
        let attempt = rows::of_table("attempt", rows::ATTEMPT_COLUMNS);
        let sql = format!(
            "SELECT trial.id, {}, {attempt} FROM attempt JOIN trial ON trial.number = attempt.trial
             WHERE attempt.state = 'running' ORDER BY trial.id, attempt.number",
            rows::SPEC_COLUMNS
        );
        let mut running = self.rows(&sql, &[], |row| {
            let (spec, attempt) = (rows::read_spec(row, 1)?, rows::read_attempt(row, 8)?);
            Ok(RunningAttempt { id: rows::read_id(row, 0)?, spec, attempt, last_epoch: None })
        })?;
        let last = format!(
            "SELECT {} FROM preview WHERE trial = {NUMBER_OF} AND attempt = ?2 ORDER BY epoch DESC LIMIT 1",
            rows::EPOCH_COLUMNS
        );
        for running in &mut running {
            let (id, attempt) = (running.id.to_string(), running.attempt.attempt.0);
            running.last_epoch = self.rows(&last, &[&id, &attempt], |row| rows::read_epoch(row, 0))?.pop();
        }
        Ok(running)
    }

    fn attempted(&self, after: Option<TrialId>, limit: usize) -> Result<Vec<AttemptedTrial>, StoreError> {
        let first = |table| {
            format!("SELECT * FROM (SELECT id, trial FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2)")
        };
        let sql = format!(
            "SELECT trial.id, {} FROM ({} UNION ALL {}) AS known JOIN trial ON trial.number = known.trial
             ORDER BY known.id LIMIT ?2",
            rows::SPEC_COLUMNS,
            first("identity"),
            first("recent")
        );
        self.rows(&sql, &[&key(after), &(limit as i64)], |row| {
            Ok(AttemptedTrial { id: rows::read_id(row, 0)?, spec: rows::read_spec(row, 1)? })
        })
    }

    fn conflicts(&self) -> Result<u64, StoreError> {
        let counts = self.rows("SELECT count(*) FROM conflict", &[], |row| row.get::<_, i64>(0))?;
        Ok(counts.first().map_or(0, |count| count.cast_unsigned()))
    }

    fn results(&self, trial: TrialId) -> Result<StoredResults, StoreError> {
        let of = |table: &str, key: &str| {
            let sql = format!("SELECT attempt, digest, recorded_ms FROM {table} WHERE trial = {key}");
            self.rows(&sql, &[&trial.to_string()], rows::read_result)
        };
        let ended = self.ended_where(&format!("trial.number = {NUMBER_OF}"), &[&trial.to_string()])?.pop();
        // What disagreed is kept by the id: there is little of it.
        let (recorded, conflicts) = (of("result", NUMBER_OF)?.pop(), of("conflict", "?1")?);
        Ok(StoredResults { recorded, conflicts, ended })
    }
}
