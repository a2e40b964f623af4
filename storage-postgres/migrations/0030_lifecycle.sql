-- The last deletion of a member, the last suspension of a user.

ALTER TABLE members ADD COLUMN deleted_at bigint;
ALTER TABLE users ADD COLUMN suspended_at bigint;
