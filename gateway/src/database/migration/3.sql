-- What a customer wants a machine to make at once. The options are the bits of MDB's item options.
CREATE TABLE favourite (
    customer INTEGER NOT NULL REFERENCES customer (number) ON DELETE CASCADE,
    machine INTEGER NOT NULL,
    item INTEGER NOT NULL,
    options INTEGER NOT NULL,
    PRIMARY KEY (customer, machine)
) WITHOUT ROWID;

-- Audits (EVA-DTS) that machines gave, as they gave them.
CREATE TABLE dts (
    machine INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    words BLOB NOT NULL,
    PRIMARY KEY (machine, at_ms)
) WITHOUT ROWID;
