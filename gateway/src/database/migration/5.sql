
-- Programs for readers, as their operators entered them.
CREATE TABLE firmware (
    operator INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    board TEXT NOT NULL,
    size INTEGER NOT NULL,
    hash BLOB NOT NULL,
    manifest BLOB NOT NULL,
    PRIMARY KEY (operator, number)
);

-- What is in them, in parts: nobody holds all of one in memory to send it.
CREATE TABLE firmware_part (
    operator INTEGER NOT NULL,
    number INTEGER NOT NULL,
    place INTEGER NOT NULL,
    words BLOB NOT NULL,
    PRIMARY KEY (operator, number, place)
);

-- The program that a reader is to have.
CREATE TABLE reader_firmware (
    reader BLOB NOT NULL PRIMARY KEY,
    operator INTEGER NOT NULL,
    number INTEGER NOT NULL
) WITHOUT ROWID;
