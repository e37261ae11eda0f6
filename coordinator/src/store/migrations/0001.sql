-- The first layout. Every row can be read by a person with the sqlite3 shell. Ids and digests are lowercase
-- hexadecimal; times are milliseconds since 1970, for people only; what is not finite is NULL.

CREATE TABLE term (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    term     INTEGER NOT NULL
) STRICT;
INSERT INTO term VALUES (1, 0);

-- One row a sweep, as it was submitted last.
CREATE TABLE sweep (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    digest       TEXT NOT NULL,
    frozen       TEXT NOT NULL,             -- JSON: text, catalogue, data, numerics
    submitted_ms INTEGER NOT NULL
) STRICT;

-- One row a trial that an attempt was ever made at; the others are pending without a row.
CREATE TABLE trial (
    id                  TEXT PRIMARY KEY,
    choices             TEXT NOT NULL,      -- JSON, nested as in a sweep file
    seed_root           TEXT NOT NULL,      -- decimal: may be larger than SQLite's integers
    replicate           INTEGER NOT NULL,
    data                TEXT NOT NULL,
    validation_fraction REAL NOT NULL,
    validation_pick     TEXT NOT NULL,
    numerics            INTEGER NOT NULL,
    state               TEXT NOT NULL,      -- leased, pending, succeeded, diverged, failed, cancelled
    failure             TEXT,               -- why it was given up
    failure_detail      TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    trial      TEXT NOT NULL REFERENCES trial (id),
    number     INTEGER NOT NULL,            -- from 1, never reused
    term       INTEGER NOT NULL,
    worker     TEXT NOT NULL,
    state      TEXT NOT NULL,               -- running, finished, failed, lost, released, superseded
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
    trial    TEXT NOT NULL UNIQUE REFERENCES trial (id)
) STRICT;

-- At most one result a trial: the first valid one.
CREATE TABLE result (
    trial                  TEXT PRIMARY KEY REFERENCES trial (id),
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
) STRICT, WITHOUT ROWID;

-- Every epoch of every result.
CREATE TABLE epoch (
    trial               TEXT NOT NULL,
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
    trial               TEXT NOT NULL,
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

-- Second results of a trial with other bits than the recorded one.
CREATE TABLE conflict (
    trial       TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    recorded_ms INTEGER NOT NULL
) STRICT;
