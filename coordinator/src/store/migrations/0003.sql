-- The newest checkpoint of a trial that has not ended, for whoever tries it next. Its bytes are a file of the name `blob`
-- in the state folder, under `blobs/checkpoints`.

CREATE TABLE checkpoint (
    trial   TEXT PRIMARY KEY REFERENCES trial (id),
    attempt INTEGER NOT NULL,               -- that left it
    blob    TEXT NOT NULL,                  -- BLAKE3 of the bytes
    length  INTEGER NOT NULL,               -- bytes
    epoch   INTEGER NOT NULL,               -- epochs completed
    step    INTEGER NOT NULL,               -- and steps of the next one
    kept_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
