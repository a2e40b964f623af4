-- Roster's tables. Every table is keyed by home; foreign keys stay within one home.
-- Instants are microseconds since the epoch, a version is the id of the commit that wrote the row. JSON is kept as the
-- text that core writes. Text sorts by its bytes.
-- Checks here never fire: core cannot make a value that they refuse. One that does is reported as corruption.

CREATE TABLE meta (
    name text PRIMARY KEY,
    value bytea NOT NULL
);

-- One row a home, with the end of its log. Whoever commits to a home locks its row.
CREATE TABLE homes (
    home bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    seq bigint NOT NULL CHECK (seq >= 0),
    time bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 70);

CREATE TABLE organizations (
    home bigint PRIMARY KEY REFERENCES homes (home),
    id uuid NOT NULL,
    external_id text,
    name text NOT NULL,
    slug text NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'closed')),
    owner_id uuid NOT NULL,
    purchased bigint CHECK (purchased >= 0),
    settings text NOT NULL,
    traits text NOT NULL,
    created_at bigint NOT NULL,
    version uuid NOT NULL
);

CREATE TABLE accounts (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    external_id text,
    name text NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'archived')),
    traits text NOT NULL,
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE TABLE account_external_ids (
    home bigint NOT NULL REFERENCES homes (home),
    external_id text COLLATE "C" NOT NULL,
    account_id uuid NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, external_id)
);

-- `organization_role` for access to every account, rows of `member_access` for access to named ones.
-- The folded columns are what lists sort by.
CREATE TABLE members (
    home bigint NOT NULL REFERENCES homes (home),
    user_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'deactivated', 'former')),
    organization_role text,
    starts_at bigint,
    expires_at bigint,
    joined_at bigint NOT NULL,
    left_at bigint,
    cut_at bigint,
    epoch bigint NOT NULL,
    email text,
    name text,
    external_id text,
    email_folded text COLLATE "C" NOT NULL,
    name_folded text COLLATE "C" NOT NULL,
    joined_sort text COLLATE "C" NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, user_id)
);

CREATE INDEX members_by_name ON members (home, name_folded, user_id);
CREATE INDEX members_by_email ON members (home, email_folded, user_id);
CREATE INDEX members_by_joining ON members (home, joined_sort, user_id);

CREATE TABLE member_access (
    home bigint NOT NULL,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text NOT NULL,
    PRIMARY KEY (home, user_id, account_id),
    FOREIGN KEY (home, user_id) REFERENCES members (home, user_id) ON DELETE CASCADE
);

CREATE INDEX member_access_by_account ON member_access (home, account_id, user_id);

-- What a search looks through, as bytes, so that order and prefixes are those of bytes.
CREATE TABLE member_words (
    home bigint NOT NULL,
    user_id uuid NOT NULL,
    word bytea NOT NULL,
    PRIMARY KEY (home, user_id, word),
    FOREIGN KEY (home, user_id) REFERENCES members (home, user_id) ON DELETE CASCADE
);

CREATE INDEX member_words_by_word ON member_words (home, word, user_id);

CREATE TABLE api_keys (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    name text NOT NULL,
    organization_role text,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    prefix text NOT NULL,
    expires_at bigint,
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE TABLE api_key_access (
    home bigint NOT NULL,
    key_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text NOT NULL,
    PRIMARY KEY (home, key_id, account_id),
    FOREIGN KEY (home, key_id) REFERENCES api_keys (home, id) ON DELETE CASCADE
);

CREATE TABLE transfers (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    from_user_id uuid NOT NULL,
    to_user_id uuid NOT NULL,
    previous_owner_role text NOT NULL,
    state text NOT NULL CHECK (state IN ('completed')),
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE TABLE users (
    home bigint PRIMARY KEY REFERENCES homes (home),
    id uuid NOT NULL,
    external_id text,
    email text,
    name text,
    status text NOT NULL CHECK (status IN ('active', 'suspended', 'erased')),
    traits text NOT NULL,
    cuts bigint NOT NULL,
    cut_at bigint,
    created_at bigint NOT NULL,
    version uuid NOT NULL
);

CREATE TABLE memberships (
    home bigint NOT NULL REFERENCES homes (home),
    organization_id uuid NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, organization_id)
);

CREATE TABLE operator_keys (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    prefix text NOT NULL,
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

-- The name that is claimed is the home's name.
CREATE TABLE claims (
    home bigint PRIMARY KEY REFERENCES homes (home),
    target_kind text NOT NULL CHECK (target_kind IN ('user', 'organization')),
    target_id uuid NOT NULL,
    since bigint NOT NULL,
    version uuid NOT NULL
);

-- `kind` repeats what the home's name says, so that one index serves all 64 homes of a directory.
CREATE TABLE directory_entries (
    home bigint NOT NULL REFERENCES homes (home),
    kind text NOT NULL CHECK (kind IN ('organizations', 'users', 'jobs')),
    id uuid NOT NULL,
    search text NOT NULL,
    active boolean NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE INDEX directory_entries_by_id ON directory_entries (kind, id);

CREATE TABLE directory_words (
    home bigint NOT NULL,
    kind text NOT NULL,
    id uuid NOT NULL,
    word bytea NOT NULL,
    PRIMARY KEY (home, id, word),
    FOREIGN KEY (home, id) REFERENCES directory_entries (home, id) ON DELETE CASCADE
);

CREATE INDEX directory_words_by_word ON directory_words (kind, word, id);

CREATE TABLE receipts (
    home bigint NOT NULL REFERENCES homes (home),
    id bytea NOT NULL CHECK (length(id) = 32),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    seed bytea NOT NULL CHECK (length(seed) = 32),
    seed_millis bigint NOT NULL,
    answer bytea,
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

-- Records that no query looks into, by name, in MessagePack.
CREATE TABLE documents (
    home bigint NOT NULL REFERENCES homes (home),
    name text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, name)
);

CREATE TABLE tallies (
    home bigint NOT NULL REFERENCES homes (home),
    tally text NOT NULL,
    sum bigint NOT NULL,
    PRIMARY KEY (home, tally)
) WITH (fillfactor = 70);

-- Records that end by themselves.
CREATE TABLE due (
    home bigint NOT NULL REFERENCES homes (home),
    kind text NOT NULL CHECK (kind IN ('member')),
    id uuid NOT NULL,
    at bigint NOT NULL,
    seats bigint NOT NULL,
    PRIMARY KEY (home, kind, id)
);

CREATE INDEX due_by_instant ON due (home, at, id);

CREATE TABLE log (
    home bigint NOT NULL REFERENCES homes (home),
    seq bigint NOT NULL CHECK (seq > 0),
    time bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    commit_id uuid NOT NULL,
    actor text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (home, seq),
    UNIQUE (home, commit_id)
);

CREATE INDEX log_by_time ON log (home, time, seq);
CREATE INDEX log_by_actor ON log (home, actor, seq);

-- Values beside an entry's body, in the order of their digests. They can be dropped while the chain still verifies.
CREATE TABLE log_personal (
    home bigint NOT NULL,
    seq bigint NOT NULL,
    place bigint NOT NULL,
    n bigint NOT NULL,
    subject uuid NOT NULL,
    salt bytea NOT NULL CHECK (length(salt) = 16),
    value text NOT NULL,
    PRIMARY KEY (home, seq, place),
    FOREIGN KEY (home, seq) REFERENCES log (home, seq)
);

-- Whom an entry is about or by.
CREATE TABLE log_users (
    home bigint NOT NULL,
    user_id uuid NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (home, user_id, seq),
    FOREIGN KEY (home, seq) REFERENCES log (home, seq)
);

-- What an entry says was done.
CREATE TABLE log_actions (
    home bigint NOT NULL,
    action text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (home, action, seq),
    FOREIGN KEY (home, seq) REFERENCES log (home, seq)
);

-- Commits of homes without a log, kept for two days and more, so that sending one again is seen.
CREATE TABLE commits (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE INDEX commits_by_instant ON commits (at);
