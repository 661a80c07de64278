-- Folded from the journal; `seq` is the record that a line comes from.

-- Up to where, and the digest of that record: a journal of another life is noticed by it.
CREATE TABLE fold (seq INTEGER NOT NULL, digest BLOB NOT NULL);

CREATE TABLE account (wallet INTEGER PRIMARY KEY, currency TEXT NOT NULL);

CREATE TABLE hold (
    vend BLOB PRIMARY KEY,
    machine INTEGER NOT NULL,
    operator INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE product (
    machine INTEGER NOT NULL,
    item INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (machine, item)
) WITHOUT ROWID;

CREATE TABLE receipt (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    wallet INTEGER NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    operator INTEGER,
    vend BLOB,
    rseq INTEGER,
    machine INTEGER,
    item INTEGER,
    product TEXT,
    owed INTEGER NOT NULL
);
CREATE INDEX receipt_wallet ON receipt (wallet, seq);
CREATE INDEX receipt_vend ON receipt (vend, rseq);

CREATE TABLE sale (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    sold_at_ms INTEGER,
    operator INTEGER NOT NULL,
    machine INTEGER,
    wallet INTEGER NOT NULL,
    vend BLOB NOT NULL,
    rseq INTEGER NOT NULL,
    item INTEGER NOT NULL,
    product TEXT,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    from_closed INTEGER NOT NULL,
    owed INTEGER NOT NULL,
    fee INTEGER NOT NULL,
    test INTEGER NOT NULL,
    review INTEGER NOT NULL
);
CREATE INDEX sale_operator ON sale (operator, seq);
CREATE INDEX sale_machine ON sale (machine, seq);
