-- What readers have said that they run with.
CREATE TABLE reported (
    reader BLOB NOT NULL PRIMARY KEY,
    boot INTEGER NOT NULL,
    uptime_ms INTEGER NOT NULL,
    configuration INTEGER NOT NULL
) WITHOUT ROWID;
