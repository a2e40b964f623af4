-- Keys by which people may be invited end at an instant.
ALTER TABLE due DROP CONSTRAINT due_kind_check;
ALTER TABLE due ADD CONSTRAINT due_kind_check CHECK (kind IN ('member', 'invitation', 'seat_hold', 'key_end'));
