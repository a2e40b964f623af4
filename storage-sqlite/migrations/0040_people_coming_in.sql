-- What people sign in by, and invitations.

CREATE TABLE credentials (
    home INTEGER PRIMARY KEY REFERENCES homes (home),
    password_hash TEXT NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 0),
    set_by BLOB CHECK (length(set_by) = 16),
    changed_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16)
) STRICT;

CREATE TABLE sessions (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE password_resets (
    home INTEGER PRIMARY KEY REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    version BLOB NOT NULL CHECK (length(version) = 16)
) STRICT;

CREATE TABLE invitations (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    email TEXT NOT NULL,
    name TEXT,
    organization_role TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    invited_by TEXT NOT NULL,
    holds_seat INTEGER NOT NULL CHECK (holds_seat IN (0, 1)),
    link INTEGER NOT NULL,
    life INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    accepted_by BLOB CHECK (length(accepted_by) = 16),
    ended_at INTEGER,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE invitation_access (
    home INTEGER NOT NULL,
    invitation_id BLOB NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    role TEXT NOT NULL,
    PRIMARY KEY (home, invitation_id, account_id),
    FOREIGN KEY (home, invitation_id) REFERENCES invitations (home, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One pending invitation an address.
CREATE TABLE invited_addresses (
    home INTEGER NOT NULL REFERENCES homes (home),
    address TEXT NOT NULL,
    invitation_id BLOB NOT NULL CHECK (length(invitation_id) = 16),
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, address)
) STRICT, WITHOUT ROWID;

-- Invitations end by themselves, too.
CREATE TABLE due_anew (
    home INTEGER NOT NULL REFERENCES homes (home),
    kind TEXT NOT NULL CHECK (kind IN ('member', 'invitation')),
    id BLOB NOT NULL CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    seats INTEGER NOT NULL,
    PRIMARY KEY (home, kind, id)
) STRICT, WITHOUT ROWID;

INSERT INTO due_anew (home, kind, id, at, seats) SELECT home, kind, id, at, seats FROM due;
DROP TABLE due;
ALTER TABLE due_anew RENAME TO due;
CREATE INDEX due_by_instant ON due (home, at, id);
