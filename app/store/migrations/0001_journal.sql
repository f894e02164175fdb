-- The journal is the truth; the tables after it are read models that replay rebuilds.
CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    run_id   TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    type     TEXT NOT NULL,
    body     TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE INDEX journal_run ON journal (run_id, seq);
-- Finding the latest epoch must not cost a walk through history.
CREATE INDEX journal_epoch ON journal (seq) WHERE type = 'supervisor_started';

-- Streamed text, outside the hash chain; each finished item's hash is in the journal.
CREATE TABLE chunks (
    session_id TEXT NOT NULL,
    ordinal    INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    item_id    TEXT NOT NULL,
    text       TEXT NOT NULL,
    "end"      INTEGER NOT NULL,
    at         TEXT NOT NULL,
    PRIMARY KEY (session_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs      (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE attempts  (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE sessions  (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE approvals (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE reviews   (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE recipes   (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE rules     (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE processes (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;

CREATE INDEX runs_state ON runs (state);
CREATE INDEX attempts_run ON attempts (run_id);
CREATE INDEX approvals_state ON approvals (state);
CREATE INDEX reviews_state ON reviews (state);
