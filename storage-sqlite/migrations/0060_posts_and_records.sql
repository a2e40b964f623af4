-- Posts on organizations and accounts, offers of ownership, and records in the vendor's product.

ALTER TABLE organizations ADD COLUMN posts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(posts));
ALTER TABLE accounts ADD COLUMN posts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(posts));

CREATE TABLE transfers_anew (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    from_user_id BLOB NOT NULL CHECK (length(from_user_id) = 16),
    to_user_id BLOB NOT NULL CHECK (length(to_user_id) = 16),
    previous_owner_role TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('completed', 'pending', 'declined', 'cancelled', 'expired')),
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

INSERT INTO transfers_anew (home, id, from_user_id, to_user_id, previous_owner_role, state, created_at, version)
SELECT home, id, from_user_id, to_user_id, previous_owner_role, state, created_at, version FROM transfers;
DROP TABLE transfers;
ALTER TABLE transfers_anew RENAME TO transfers;

CREATE TABLE holdings (
    home INTEGER NOT NULL REFERENCES homes (home),
    name TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    kind TEXT NOT NULL,
    kind_number INTEGER NOT NULL CHECK (kind_number >= 0),
    external_id TEXT NOT NULL,
    owner_id BLOB NOT NULL CHECK (length(owner_id) = 16),
    after_number INTEGER NOT NULL CHECK (after_number >= 0),
    account_id BLOB CHECK (length(account_id) = 16),
    title TEXT,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, name)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX holdings_by_id ON holdings (home, id);
CREATE INDEX holdings_by_owner ON holdings (home, owner_id, id);
CREATE INDEX holdings_by_kind ON holdings (home, kind, id);
