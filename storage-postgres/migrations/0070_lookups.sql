-- Whether a commit was done before is asked with every commit. An index that begins with the commit is the only one that
-- can answer it; of those that begin with the home the planner took another while its statistics were young.
ALTER TABLE log DROP CONSTRAINT log_home_commit_id_key;
ALTER TABLE log ADD CONSTRAINT log_commit_id_home_key UNIQUE (commit_id, home);

-- Every commit writes the end of a log anew, and many a member: room on the page spares the indexes.
ALTER TABLE homes SET (fillfactor = 50);
ALTER TABLE members SET (fillfactor = 85);
ALTER TABLE member_access SET (fillfactor = 85);
