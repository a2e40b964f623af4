-- Rows that only repeat what the same statement writes beside them: the words of a search, and what hangs on an entry of the
-- log. A foreign key looks each of them up and locks what it names, which took half of what the server does for an import.
ALTER TABLE member_words DROP CONSTRAINT member_words_home_user_id_fkey;
ALTER TABLE directory_words DROP CONSTRAINT directory_words_home_id_fkey;
ALTER TABLE log_personal DROP CONSTRAINT log_personal_home_seq_fkey;
ALTER TABLE log_users DROP CONSTRAINT log_users_home_seq_fkey;
ALTER TABLE log_actions DROP CONSTRAINT log_actions_home_seq_fkey;
