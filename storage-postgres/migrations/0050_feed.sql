-- The deployment's feed: which entries of which logs come after each other, and how far each log has come into it.
CREATE TABLE feed_lines (
    home bigint NOT NULL REFERENCES homes (home),
    name text COLLATE "C" NOT NULL,
    reached bigint NOT NULL CHECK (reached >= 0),
    at bigint NOT NULL,
    spans text NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (home, name)
);
