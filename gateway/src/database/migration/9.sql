-- Who pays by SMS, in which currency and up to what; and the word that they are asked to send back.
CREATE TABLE sms_consent (
    customer INTEGER NOT NULL REFERENCES customer (number) ON DELETE CASCADE,
    currency TEXT NOT NULL,
    vend_max INTEGER NOT NULL,
    day_max INTEGER NOT NULL,
    confirmed_ms INTEGER,
    word BLOB,
    word_machine INTEGER NOT NULL,
    word_more INTEGER NOT NULL,
    word_ms INTEGER NOT NULL,
    hour_ms INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    PRIMARY KEY (customer, currency)
) WITHOUT ROWID;

-- What was held by SMS, each under the name of its message: what a day's bound counts. It outlives
-- consent, so that giving it again begins no new day.
CREATE TABLE sms_hold (
    name BLOB NOT NULL PRIMARY KEY,
    customer INTEGER NOT NULL,
    currency TEXT NOT NULL,
    amount INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    vend BLOB
) WITHOUT ROWID;
CREATE INDEX sms_hold_customer ON sms_hold (customer, at_ms);
CREATE INDEX sms_hold_at ON sms_hold (at_ms);
