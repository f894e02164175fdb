-- Attempts and sessions are known by replaying their run; nobody reads them across runs. Rows of
-- theirs were a second copy of every result, written at every step.
DROP TABLE IF EXISTS attempts;
DROP TABLE IF EXISTS sessions;
