-- Rows of the journal and of transcripts take as little room as they can: a name that stands in
-- many of them has a number, times are whole microseconds since 1970, hashes are bytes, and texts
-- are compressed where that makes them shorter (`app.store.packing`). `app.store.small_rows` moves
-- what is in the tables of before into these, and drops them.
CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
-- These numbers are in the conditions of indexes, and in `app.store.names`.
INSERT INTO names VALUES (0, ''), (1, 'run_created'), (2, 'run_state_changed'),
    (3, 'attempt_started'), (4, 'verdict_given'), (5, 'supervisor_started');

ALTER TABLE journal RENAME TO journal_5;
ALTER TABLE chunks RENAME TO chunks_5;
DROP INDEX journal_run;
DROP INDEX journal_epoch;
DROP INDEX journal_counted;

-- `body` is what the event's JSON has beside its type: TEXT, or a BLOB when it is compressed.
-- It comes last: who looks for the other columns need not read it.
CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    run   INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    body  ANY NOT NULL
) STRICT;
CREATE TABLE chunks (
    session INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    "end"   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    text    ANY NOT NULL,
    PRIMARY KEY (session, ordinal)
) STRICT, WITHOUT ROWID;

-- An index ends with the row's number, which is `seq`.
CREATE INDEX journal_run ON journal (run);
-- What metrics are counted from, and the latest epoch, found without a walk through history.
CREATE INDEX journal_counted ON journal (kind)
WHERE kind = 1 OR kind = 2 OR kind = 3 OR kind = 4 OR kind = 5;
