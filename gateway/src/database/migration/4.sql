
-- The configuration that a reader is to have, the newest one only.
CREATE TABLE reader_config (
    reader BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    words BLOB NOT NULL
) WITHOUT ROWID;
