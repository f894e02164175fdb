-- Rollouts, and the comparisons of their shadow runs; a comparison's run_id holds the rollout it
-- belongs to. Runs know their path, so every read model is made anew.
CREATE TABLE rollouts    (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE TABLE comparisons (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE INDEX comparisons_rollout ON comparisons (run_id, state);
