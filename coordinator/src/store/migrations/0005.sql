-- Trials have numbers, in the order in which they were first leased, and all that belongs to a trial is found by its number:
-- what comes at the same time lies side by side, so that a commit writes few pages however many there are. The number of
-- a trial with a known id is in `identity`, or in `recent` where it is not long ago: that table is moved there as a whole
-- from time to time, because in the order of ids, which are hashes, every trial would be on a page of its own.
-- Results by the ids of their trials: `SELECT * FROM recorded`.

ALTER TABLE trial RENAME TO old_trial;
ALTER TABLE attempt RENAME TO old_attempt;
ALTER TABLE ending RENAME TO old_ending;
ALTER TABLE result RENAME TO old_result;
ALTER TABLE epoch RENAME TO old_epoch;
ALTER TABLE preview RENAME TO old_preview;
ALTER TABLE checkpoint RENAME TO old_checkpoint;
DROP INDEX attempt_running;

-- One row a trial that an attempt was ever made at; the others are pending without a row.
CREATE TABLE trial (
    number              INTEGER PRIMARY KEY,
    id                  TEXT NOT NULL,
    choices             TEXT NOT NULL,      -- JSON, nested as in a sweep file
    seed_root           TEXT NOT NULL,      -- decimal: may be larger than SQLite's integers
    replicate           INTEGER NOT NULL,
    data                TEXT NOT NULL,
    validation_fraction REAL NOT NULL,
    validation_pick     TEXT NOT NULL,
    numerics            INTEGER NOT NULL,
    state               TEXT NOT NULL,      -- leased, pending, succeeded, diverged, failed, quarantined, cancelled
    failure             TEXT,               -- why it was given up
    failure_detail      TEXT,
    reopened_after      INTEGER NOT NULL DEFAULT 0  -- failures of attempts up to this one do not count any more
) STRICT;

-- The numbers of trials by their ids, but for those in `recent`.
CREATE TABLE identity (
    id    TEXT PRIMARY KEY,
    trial INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The trials with the highest numbers.
CREATE TABLE recent (
    trial INTEGER PRIMARY KEY,
    id    TEXT NOT NULL
) STRICT;

CREATE TABLE attempt (
    trial      INTEGER NOT NULL REFERENCES trial (number),
    number     INTEGER NOT NULL,            -- from 1, never reused
    term       INTEGER NOT NULL,
    worker     TEXT NOT NULL,
    state      TEXT NOT NULL,               -- offered, running, finished, failed, lost, abandoned, released, returned, superseded, revoked
    failure    TEXT,
    detail     TEXT,
    from_epoch INTEGER NOT NULL DEFAULT 0,  -- where a checkpoint let it go on: epochs completed
    from_step  INTEGER NOT NULL DEFAULT 0,  -- and steps of the next one
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER,
    PRIMARY KEY (trial, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_running ON attempt (trial, number) WHERE state = 'running';

-- The order in which trials ended: who has read up to a number reads on from there.
CREATE TABLE ending (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    trial    INTEGER NOT NULL UNIQUE REFERENCES trial (number)
) STRICT;

-- At most one result a trial: the first valid one.
CREATE TABLE result (
    trial                  INTEGER PRIMARY KEY REFERENCES trial (number),
    attempt                INTEGER NOT NULL,
    digest                 TEXT NOT NULL,   -- of all that was measured, to the bit
    ending                 TEXT NOT NULL,   -- succeeded, diverged
    epochs                 INTEGER NOT NULL,
    min_training_objective REAL,
    min_training_loss      REAL,
    min_validation_loss    REAL,
    numerics               INTEGER NOT NULL,
    validation_loss        REAL,
    test_loss              REAL,
    test_accuracy          REAL,
    confusion              TEXT,            -- JSON: one row a true class
    weights_digest         TEXT,
    matrices               TEXT,            -- JSON: one entry a weight matrix
    recorded_ms            INTEGER NOT NULL
) STRICT;

-- Every epoch of every result.
CREATE TABLE epoch (
    trial               INTEGER NOT NULL,
    epoch               INTEGER NOT NULL,
    learning_rate       REAL NOT NULL,
    training_objective  REAL NOT NULL,
    training_loss       REAL NOT NULL,
    training_accuracy   REAL NOT NULL,
    validation_loss     REAL NOT NULL,
    validation_accuracy REAL NOT NULL,
    PRIMARY KEY (trial, epoch)
) STRICT, WITHOUT ROWID;

-- Epochs of running attempts: may be lost, and are replaced by the result's.
CREATE TABLE preview (
    trial               INTEGER NOT NULL,
    attempt             INTEGER NOT NULL,
    epoch               INTEGER NOT NULL,
    learning_rate       REAL NOT NULL,
    training_objective  REAL NOT NULL,
    training_loss       REAL NOT NULL,
    training_accuracy   REAL NOT NULL,
    validation_loss     REAL NOT NULL,
    validation_accuracy REAL NOT NULL,
    PRIMARY KEY (trial, attempt, epoch)
) STRICT, WITHOUT ROWID;

-- The newest checkpoint of a trial that has not ended, for whoever tries it next. Its bytes are a file of the name `blob`
-- in the state folder, under `blobs/checkpoints`.
CREATE TABLE checkpoint (
    trial   INTEGER PRIMARY KEY REFERENCES trial (number),
    attempt INTEGER NOT NULL,               -- that left it
    blob    TEXT NOT NULL,                  -- BLAKE3 of the bytes
    length  INTEGER NOT NULL,               -- bytes
    epoch   INTEGER NOT NULL,               -- epochs completed
    step    INTEGER NOT NULL,               -- and steps of the next one
    kept_ms INTEGER NOT NULL
) STRICT;

-- The trials that each sweep has passed, from the beginning of its grid to the first one that it has not: those at `first` and
-- behind it in the grid, `count` in a row, have the numbers from `trial` on.
CREATE TABLE passed (
    sweep INTEGER NOT NULL REFERENCES sweep (id),
    first INTEGER NOT NULL,
    trial INTEGER NOT NULL REFERENCES trial (number),
    count INTEGER NOT NULL,
    PRIMARY KEY (sweep, first)
) STRICT, WITHOUT ROWID;

CREATE VIEW recorded AS
    SELECT trial.id, trial.choices, trial.seed_root, trial.replicate, result.*
    FROM result JOIN trial ON trial.number = result.trial;

INSERT INTO trial (id, choices, seed_root, replicate, data, validation_fraction, validation_pick, numerics, state,
                   failure, failure_detail, reopened_after)
    SELECT id, choices, seed_root, replicate, data, validation_fraction, validation_pick, numerics, state,
           failure, failure_detail, reopened_after
    FROM old_trial LEFT JOIN old_ending ON old_ending.trial = old_trial.id
    ORDER BY sequence IS NULL, sequence, id;
INSERT INTO identity SELECT id, number FROM trial ORDER BY id;
INSERT INTO attempt
    SELECT identity.trial, number, term, worker, state, failure, detail, from_epoch, from_step, started_ms, ended_ms
    FROM old_attempt JOIN identity ON identity.id = old_attempt.trial ORDER BY identity.trial, number;
INSERT INTO ending
    SELECT sequence, identity.trial FROM old_ending JOIN identity ON identity.id = old_ending.trial ORDER BY sequence;
DELETE FROM sqlite_sequence WHERE name = 'ending';
INSERT INTO sqlite_sequence (name, seq) SELECT 'ending', seq FROM sqlite_sequence WHERE name = 'old_ending';
INSERT INTO result
    SELECT identity.trial, attempt, digest, ending, epochs, min_training_objective, min_training_loss, min_validation_loss,
           numerics, validation_loss, test_loss, test_accuracy, confusion, weights_digest, matrices, recorded_ms
    FROM old_result JOIN identity ON identity.id = old_result.trial ORDER BY identity.trial;
INSERT INTO epoch
    SELECT identity.trial, epoch, learning_rate, training_objective, training_loss, training_accuracy, validation_loss,
           validation_accuracy
    FROM old_epoch JOIN identity ON identity.id = old_epoch.trial ORDER BY identity.trial, epoch;
INSERT INTO preview
    SELECT identity.trial, attempt, epoch, learning_rate, training_objective, training_loss, training_accuracy,
           validation_loss, validation_accuracy
    FROM old_preview JOIN identity ON identity.id = old_preview.trial ORDER BY identity.trial, attempt, epoch;
INSERT INTO checkpoint
    SELECT identity.trial, attempt, blob, length, epoch, step, kept_ms
    FROM old_checkpoint JOIN identity ON identity.id = old_checkpoint.trial ORDER BY identity.trial;

DROP TABLE old_attempt;
DROP TABLE old_ending;
DROP TABLE old_result;
DROP TABLE old_epoch;
DROP TABLE old_preview;
DROP TABLE old_checkpoint;
DROP TABLE old_trial;
