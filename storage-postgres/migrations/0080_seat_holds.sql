-- Seats that are held for a batch are so until an instant.
ALTER TABLE due DROP CONSTRAINT due_kind_check;
ALTER TABLE due ADD CONSTRAINT due_kind_check CHECK (kind IN ('member', 'invitation', 'seat_hold'));
