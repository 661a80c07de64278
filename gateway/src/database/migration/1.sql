-- Amounts are minor units, times milliseconds since 1970, digests SHA-256 or HMAC-SHA-256.

CREATE TABLE projection (version INTEGER NOT NULL);

CREATE TABLE customer (
    number INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    address TEXT NOT NULL,
    language TEXT NOT NULL,
    made_ms INTEGER NOT NULL
);

-- It outlives its customer: the ledger keeps the number.
CREATE TABLE wallet (
    wallet INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL,
    currency TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    UNIQUE (customer, currency)
);

CREATE TABLE code (
    digest BLOB PRIMARY KEY,
    code BLOB,
    tries INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    hour_ms INTEGER NOT NULL,
    sent INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX code_made ON code (made_ms);

CREATE TABLE staff (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operator INTEGER NOT NULL,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    made_ms INTEGER NOT NULL
);
CREATE INDEX staff_operator ON staff (operator);

CREATE TABLE session (
    digest BLOB PRIMARY KEY,
    staff INTEGER REFERENCES staff (id) ON DELETE CASCADE,
    customer INTEGER REFERENCES customer (number) ON DELETE CASCADE,
    made_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    CHECK ((staff IS NULL) <> (customer IS NULL))
) WITHOUT ROWID;
CREATE INDEX session_staff ON session (staff);
CREATE INDEX session_customer ON session (customer);
CREATE INDEX session_ends ON session (ends_ms);

CREATE TABLE api_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operator INTEGER NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    made_by TEXT NOT NULL,
    made_ms INTEGER NOT NULL
);
CREATE INDEX api_key_operator ON api_key (operator);

-- A machine's name and where it stands.
CREATE TABLE place (
    machine INTEGER PRIMARY KEY,
    operator INTEGER NOT NULL,
    name TEXT NOT NULL,
    place TEXT NOT NULL
);
CREATE INDEX place_operator ON place (operator, machine);

-- What was answered to a request with an idempotency key.
CREATE TABLE answer (
    slot BLOB PRIMARY KEY,
    body BLOB NOT NULL,
    status INTEGER NOT NULL,
    answer BLOB NOT NULL,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_at ON answer (at_ms);

-- A vend that a person has to look at.
CREATE TABLE refund (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    operator INTEGER NOT NULL,
    wallet INTEGER NOT NULL,
    vend BLOB NOT NULL,
    rseq INTEGER NOT NULL,
    machine INTEGER NOT NULL,
    item INTEGER NOT NULL,
    product TEXT,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    words TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'open',
    answer TEXT NOT NULL DEFAULT '',
    refunded INTEGER NOT NULL DEFAULT 0,
    decided_by TEXT NOT NULL DEFAULT '',
    decided_ms INTEGER,
    UNIQUE (vend, rseq)
);
CREATE INDEX refund_operator ON refund (operator, state, id);

CREATE TABLE staff_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operator INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT,
    after TEXT
);
CREATE INDEX staff_log_operator ON staff_log (operator, id);
