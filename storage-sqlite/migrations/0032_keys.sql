-- Personal keys belong to a member; a key that was turned opens by its old secret too, for a while.

ALTER TABLE api_keys ADD COLUMN user_id BLOB;
ALTER TABLE api_keys ADD COLUMN old_hash BLOB CHECK (length(old_hash) = 32);
ALTER TABLE api_keys ADD COLUMN old_until INTEGER;
