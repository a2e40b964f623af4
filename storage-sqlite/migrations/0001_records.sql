-- Roster's tables. Every table is keyed by home; foreign keys stay within one home.
-- Ids are 16 bytes, instants are microseconds since the epoch, a version is the id of the commit that wrote the row.
-- Checks here never fire: core cannot make a value that they refuse. One that does is reported as corruption.

PRAGMA application_id = 1383035764;

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a home, with the end of its log.
CREATE TABLE homes (
    home INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    time INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE organizations (
    home INTEGER NOT NULL PRIMARY KEY REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    external_id TEXT,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'closed')),
    owner_id BLOB NOT NULL CHECK (length(owner_id) = 16),
    purchased INTEGER CHECK (purchased >= 0),
    settings TEXT NOT NULL CHECK (json_valid(settings)),
    traits TEXT NOT NULL CHECK (json_valid(traits)),
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16)
) STRICT;

CREATE TABLE accounts (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    external_id TEXT,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'archived')),
    traits TEXT NOT NULL CHECK (json_valid(traits)),
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT;

CREATE TABLE account_external_ids (
    home INTEGER NOT NULL REFERENCES homes (home),
    external_id TEXT NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, external_id)
) STRICT, WITHOUT ROWID;

-- `organization_role` for access to every account, rows of `member_access` for access to named ones.
-- The folded columns are what lists sort by.
CREATE TABLE members (
    home INTEGER NOT NULL REFERENCES homes (home),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    status TEXT NOT NULL CHECK (status IN ('active', 'deactivated', 'former')),
    organization_role TEXT,
    starts_at INTEGER,
    expires_at INTEGER,
    joined_at INTEGER NOT NULL,
    left_at INTEGER,
    cut_at INTEGER,
    epoch INTEGER NOT NULL,
    email TEXT,
    name TEXT,
    external_id TEXT,
    email_folded TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_name ON members (home, name_folded, user_id);
CREATE INDEX members_by_email ON members (home, email_folded, user_id);
CREATE INDEX members_by_joining ON members (home, printf('%020d', max(joined_at, 0)), user_id);

CREATE TABLE member_access (
    home INTEGER NOT NULL,
    user_id BLOB NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    role TEXT NOT NULL,
    PRIMARY KEY (home, user_id, account_id),
    FOREIGN KEY (home, user_id) REFERENCES members (home, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX member_access_by_account ON member_access (home, account_id, user_id);

-- What a search looks through, as bytes, so that order and prefixes are those of bytes.
CREATE TABLE member_words (
    home INTEGER NOT NULL,
    user_id BLOB NOT NULL,
    word BLOB NOT NULL,
    PRIMARY KEY (home, user_id, word),
    FOREIGN KEY (home, user_id) REFERENCES members (home, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX member_words_by_word ON member_words (home, word, user_id);

CREATE TABLE api_keys (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    name TEXT NOT NULL,
    organization_role TEXT,
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    prefix TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key_access (
    home INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    role TEXT NOT NULL,
    PRIMARY KEY (home, key_id, account_id),
    FOREIGN KEY (home, key_id) REFERENCES api_keys (home, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE transfers (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    from_user_id BLOB NOT NULL CHECK (length(from_user_id) = 16),
    to_user_id BLOB NOT NULL CHECK (length(to_user_id) = 16),
    previous_owner_role TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('completed')),
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    home INTEGER NOT NULL PRIMARY KEY REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    external_id TEXT,
    email TEXT,
    name TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'erased')),
    traits TEXT NOT NULL CHECK (json_valid(traits)),
    cuts INTEGER NOT NULL,
    cut_at INTEGER,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16)
) STRICT;

CREATE TABLE memberships (
    home INTEGER NOT NULL REFERENCES homes (home),
    organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, organization_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE operator_keys (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    prefix TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

-- The name that is claimed is the home's name.
CREATE TABLE claims (
    home INTEGER NOT NULL PRIMARY KEY REFERENCES homes (home),
    target_kind TEXT NOT NULL CHECK (target_kind IN ('user', 'organization')),
    target_id BLOB NOT NULL CHECK (length(target_id) = 16),
    since INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16)
) STRICT;

-- `kind` repeats what the home's name says, so that one index serves all 64 homes of a directory.
CREATE TABLE directory_entries (
    home INTEGER NOT NULL REFERENCES homes (home),
    kind TEXT NOT NULL CHECK (kind IN ('organizations', 'users', 'jobs')),
    id BLOB NOT NULL CHECK (length(id) = 16),
    search TEXT NOT NULL CHECK (json_valid(search)),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX directory_entries_by_id ON directory_entries (kind, id);

CREATE TABLE directory_words (
    home INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    word BLOB NOT NULL,
    PRIMARY KEY (home, id, word),
    FOREIGN KEY (home, id) REFERENCES directory_entries (home, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX directory_words_by_word ON directory_words (kind, word, id);

CREATE TABLE receipts (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 32),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    seed BLOB NOT NULL CHECK (length(seed) = 32),
    seed_millis INTEGER NOT NULL,
    answer BLOB,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, id)
) STRICT;

-- Records that no query looks into, by name, in MessagePack.
CREATE TABLE documents (
    home INTEGER NOT NULL REFERENCES homes (home),
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 16),
    PRIMARY KEY (home, name)
) STRICT;

CREATE TABLE tallies (
    home INTEGER NOT NULL REFERENCES homes (home),
    tally TEXT NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (home, tally)
) STRICT, WITHOUT ROWID;

-- Records that end by themselves.
CREATE TABLE due (
    home INTEGER NOT NULL REFERENCES homes (home),
    kind TEXT NOT NULL CHECK (kind IN ('member')),
    id BLOB NOT NULL CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    seats INTEGER NOT NULL,
    PRIMARY KEY (home, kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX due_by_instant ON due (home, at, id);

CREATE TABLE log (
    home INTEGER NOT NULL REFERENCES homes (home),
    seq INTEGER NOT NULL CHECK (seq > 0),
    time INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    commit_id BLOB NOT NULL CHECK (length(commit_id) = 16),
    actor TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (home, seq),
    UNIQUE (home, commit_id)
) STRICT;

CREATE INDEX log_by_time ON log (home, time, seq);
CREATE INDEX log_by_actor ON log (home, actor, seq);

-- Values beside an entry's body, in the order of their digests. They can be dropped while the chain still verifies.
CREATE TABLE log_personal (
    home INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    n INTEGER NOT NULL,
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    value TEXT NOT NULL,
    PRIMARY KEY (home, seq, place),
    FOREIGN KEY (home, seq) REFERENCES log (home, seq)
) STRICT;

-- Whom an entry is about or by.
CREATE TABLE log_users (
    home INTEGER NOT NULL,
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    seq INTEGER NOT NULL,
    PRIMARY KEY (home, user_id, seq),
    FOREIGN KEY (home, seq) REFERENCES log (home, seq)
) STRICT, WITHOUT ROWID;

-- What an entry says was done.
CREATE TABLE log_actions (
    home INTEGER NOT NULL,
    action TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (home, action, seq),
    FOREIGN KEY (home, seq) REFERENCES log (home, seq)
) STRICT, WITHOUT ROWID;

-- Commits of homes without a log, kept for two days and more, so that sending one again is seen.
CREATE TABLE commits (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX commits_by_instant ON commits (at);
