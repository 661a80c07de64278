-- Who counted a cash box, by the count's name in the journal.
CREATE TABLE counter (
    name BLOB PRIMARY KEY,
    operator INTEGER NOT NULL,
    who TEXT NOT NULL
) WITHOUT ROWID;
