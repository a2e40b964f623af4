-- Roles of an organization's own. `ref` is the id as access names it, by which the check finds what a role holds.

CREATE TABLE roles (
    home INTEGER NOT NULL REFERENCES homes (home),
    id BLOB NOT NULL,
    ref TEXT NOT NULL,
    name TEXT NOT NULL,
    permissions TEXT NOT NULL,
    replaced_by TEXT,
    created_at INTEGER NOT NULL,
    version BLOB NOT NULL,
    PRIMARY KEY (home, id),
    UNIQUE (home, ref)
) STRICT;
