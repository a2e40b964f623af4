-- The deployment's feed: which entries of which logs come after each other, and how far each log has come into it.
CREATE TABLE feed_lines (
    home INTEGER NOT NULL REFERENCES homes (home),
    name TEXT NOT NULL,
    reached INTEGER NOT NULL CHECK (reached >= 0),
    at INTEGER NOT NULL,
    spans TEXT NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, name)
) STRICT, WITHOUT ROWID;
