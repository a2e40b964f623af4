-- Keys by which people may be invited end at an instant.
CREATE TABLE due_anew (
    home INTEGER NOT NULL REFERENCES homes (home),
    kind TEXT NOT NULL CHECK (kind IN ('member', 'invitation', 'seat_hold', 'key_end')),
    id BLOB NOT NULL CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    seats INTEGER NOT NULL,
    PRIMARY KEY (home, kind, id)
) STRICT, WITHOUT ROWID;

INSERT INTO due_anew (home, kind, id, at, seats) SELECT home, kind, id, at, seats FROM due;
DROP TABLE due;
ALTER TABLE due_anew RENAME TO due;
CREATE INDEX due_by_instant ON due (home, at, id);
