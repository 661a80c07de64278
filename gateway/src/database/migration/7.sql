-- The reports that readers are asked for, and the newest whole one of each.
CREATE TABLE diagnostics (
    reader BLOB NOT NULL PRIMARY KEY,
    id INTEGER NOT NULL,
    asked_ms INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    taken_ms INTEGER,
    report TEXT
) WITHOUT ROWID;
