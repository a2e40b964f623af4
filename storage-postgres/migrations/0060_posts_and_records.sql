-- Posts on organizations and accounts, offers of ownership, and records in the vendor's product.

ALTER TABLE organizations ADD COLUMN posts text NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN posts text NOT NULL DEFAULT '{}';

ALTER TABLE transfers DROP CONSTRAINT transfers_state_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_state_check
    CHECK (state IN ('completed', 'pending', 'declined', 'cancelled', 'expired'));
ALTER TABLE transfers ADD COLUMN expires_at bigint;

CREATE TABLE holdings (
    home bigint NOT NULL REFERENCES homes (home),
    name text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    kind_number bigint NOT NULL CHECK (kind_number >= 0),
    external_id text NOT NULL,
    owner_id uuid NOT NULL,
    after_number bigint NOT NULL CHECK (after_number >= 0),
    account_id uuid,
    title text,
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, name)
);

CREATE UNIQUE INDEX holdings_by_id ON holdings (home, id);
CREATE INDEX holdings_by_owner ON holdings (home, owner_id, id);
CREATE INDEX holdings_by_kind ON holdings (home, kind, id);
