-- Folded from the journal; `seq` is the record that a line comes from.

-- Up to where, and the digest of that record: a journal of another life is noticed by it.
CREATE TABLE fold (seq INTEGER NOT NULL, digest BLOB NOT NULL);

CREATE TABLE account (wallet INTEGER PRIMARY KEY, currency TEXT NOT NULL);

CREATE TABLE hold (
    vend BLOB PRIMARY KEY,
    machine INTEGER NOT NULL,
    operator INTEGER NOT NULL,
    held INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE product (
    machine INTEGER NOT NULL,
    item INTEGER NOT NULL,
    name TEXT NOT NULL,
    price INTEGER NOT NULL,
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
    line INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    sold_at_ms INTEGER,
    when_ms INTEGER NOT NULL,
    operator INTEGER NOT NULL,
    machine INTEGER,
    wallet INTEGER,
    vend BLOB,
    rseq INTEGER,
    item INTEGER,
    product TEXT,
    count INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    from_closed INTEGER NOT NULL,
    owed INTEGER NOT NULL,
    fee INTEGER NOT NULL,
    test INTEGER NOT NULL,
    review INTEGER NOT NULL
);
CREATE INDEX sale_vend ON sale (vend, rseq);
CREATE INDEX sale_operator ON sale (operator, line);
CREATE INDEX sale_machine ON sale (machine, line);
CREATE INDEX sale_when ON sale (operator, when_ms);

CREATE TABLE machine (
    machine INTEGER PRIMARY KEY,
    operator INTEGER NOT NULL,
    currency TEXT NOT NULL
);
CREATE INDEX machine_operator ON machine (operator, machine);

CREATE TABLE reader (
    seq INTEGER PRIMARY KEY,
    reader BLOB NOT NULL UNIQUE,
    operator INTEGER NOT NULL,
    machine INTEGER NOT NULL,
    heard_ms INTEGER,
    mdb_state INTEGER
);
CREATE INDEX reader_operator ON reader (operator, seq);

-- When each start of a reader was, as well as the server can tell.
CREATE TABLE start (
    reader BLOB NOT NULL,
    boot INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (reader, boot)
) WITHOUT ROWID;

-- When what receipts tell of happened, until the wallet's own record takes it.
CREATE TABLE dated (
    vend BLOB NOT NULL,
    rseq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (vend, rseq)
) WITHOUT ROWID;

-- Readers at a controller that nobody has confirmed yet, since when, and until when they were believed.
CREATE TABLE doubt (
    reader BLOB NOT NULL PRIMARY KEY,
    machine INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX doubt_machine ON doubt (machine);

-- The last time that each kind of alarm rang at a machine.
CREATE TABLE alarm (
    machine INTEGER NOT NULL,
    code TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (machine, code)
) WITHOUT ROWID;

-- Counts of cash boxes; who counted is noted when it is asked for.
CREATE TABLE cash_count (
    seq INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    name BLOB NOT NULL,
    expected INTEGER NOT NULL,
    counted INTEGER NOT NULL
);
CREATE INDEX cash_count_machine ON cash_count (machine, seq);

-- What happened lately, for streams; a place is its record's number and its own within it.
CREATE TABLE happening (
    place INTEGER PRIMARY KEY,
    operator INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX happening_operator ON happening (operator, place);
