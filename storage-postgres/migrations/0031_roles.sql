-- Roles of an organization's own. `ref` is the id as access names it, by which the check finds what a role holds.

CREATE TABLE roles (
    home bigint NOT NULL REFERENCES homes (home),
    id uuid NOT NULL,
    ref text COLLATE "C" NOT NULL,
    name text NOT NULL,
    permissions text NOT NULL,
    replaced_by text,
    created_at bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, id),
    UNIQUE (home, ref)
);
