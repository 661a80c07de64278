-- Receipts of readers that are revoked: they move no money, and wait for a person.
CREATE TABLE set_aside (
    reader BLOB NOT NULL,
    epoch BLOB NOT NULL,
    rseq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    vend BLOB NOT NULL,
    item INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    uptime_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (reader, epoch, rseq)
) WITHOUT ROWID;
