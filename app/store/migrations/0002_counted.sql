-- What metrics are counted from, found without a walk through history. Terms joined by OR, not
-- IN: SQLite sees that `type = 'x'` implies one of them, and uses the index.
CREATE INDEX journal_counted ON journal (type, run_id, seq)
WHERE type = 'run_created' OR type = 'run_state_changed'
   OR type = 'attempt_started' OR type = 'verdict_given';
