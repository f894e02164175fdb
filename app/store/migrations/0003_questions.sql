-- Questions to the operator. Every read model is made anew from the journal after this: what is
-- known of a run has grown, and rows must be what a replay gives.
CREATE TABLE questions (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE INDEX questions_state ON questions (state);
