-- What people sign in by, and invitations.

CREATE TABLE credentials (
    home bigint PRIMARY KEY REFERENCES homes (home),
    password_hash text NOT NULL,
    generation bigint NOT NULL CHECK (generation >= 0),
    set_by uuid,
    changed_at bigint NOT NULL,
    version uuid NOT NULL
);

CREATE TABLE sessions (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    generation bigint NOT NULL CHECK (generation >= 0),
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE TABLE password_resets (
    home bigint PRIMARY KEY REFERENCES homes (home),
    id uuid NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint,
    version uuid NOT NULL
);

CREATE TABLE invitations (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    email text NOT NULL,
    name text,
    organization_role text,
    status text NOT NULL CHECK (status IN ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    invited_by text NOT NULL,
    holds_seat boolean NOT NULL,
    link bigint NOT NULL,
    life bigint NOT NULL,
    sent_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    created_at bigint NOT NULL,
    accepted_by uuid,
    ended_at bigint,
    version uuid NOT NULL,
    PRIMARY KEY (home, id)
);

CREATE TABLE invitation_access (
    home bigint NOT NULL,
    invitation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    role text NOT NULL,
    PRIMARY KEY (home, invitation_id, account_id),
    FOREIGN KEY (home, invitation_id) REFERENCES invitations (home, id) ON DELETE CASCADE
);

-- One pending invitation an address.
CREATE TABLE invited_addresses (
    home bigint NOT NULL REFERENCES homes (home),
    address text COLLATE "C" NOT NULL,
    invitation_id uuid NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, address)
);

-- Invitations end by themselves, too.
ALTER TABLE due DROP CONSTRAINT due_kind_check;
ALTER TABLE due ADD CONSTRAINT due_kind_check CHECK (kind IN ('member', 'invitation'));
