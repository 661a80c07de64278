//! Every bound of the gateway, in one place.

use core::time::Duration;

/// Longest request body, in bytes.
pub(crate) const BODY_LEN_MAX: usize = 64 * 1024;
/// Firmware files that one operator keeps.
pub(crate) const FIRMWARE_MAX: u64 = 8;
/// Bytes of one part of a firmware file in the database, and of a piece on its way out.
pub(crate) const FIRMWARE_PART_LEN: usize = 256 * 1024;
/// How long a firmware file may take to come in.
pub(crate) const FIRMWARE_TIME_MAX: Duration = Duration::from_secs(300);
/// Readers that are named in one request.
pub(crate) const READERS_AT_ONCE: usize = 1_000;
/// Envelopes in one relay.
pub(crate) const ENVELOPES_MAX: usize = 16;
/// Longest envelope that is looked at, in bytes; the channel refuses smaller ones already.
pub(crate) const ENVELOPE_LEN_MAX: usize = 4_096;
/// Keys of the server that are kept at one time.
pub(crate) const SERVER_KEYS_MAX: usize = 8;
/// Longest idempotency key, in characters.
pub(crate) const IDEMPOTENCY_KEY_LEN_MAX: usize = 64;
/// Longest credential that is hashed, in bytes.
pub(crate) const CREDENTIAL_LEN_MAX: usize = 512;

/// Entries of a list, when the request does not say.
pub(crate) const LIST_LEN: usize = 50;
/// Most entries of a list.
pub(crate) const LIST_LEN_MAX: usize = 200;
/// Records that may wait for the projection before it is cut off.
pub(crate) const RECORDS_WAITING_MAX: usize = 65_536;

/// How long a grant lives, counted from its HELLO (protocol section 6.2).
pub(crate) use gettone_relay::GRANT_LIFE;

/// Smallest segment of a gateway's journal, in bytes: smaller ones are for tests of stores.
pub(crate) const SEGMENT_BYTES_LEAST: u64 = 1024 * 1024;
/// Longest configuration file, in bytes.
pub(crate) const CONFIG_LEN_MAX: u64 = 1024 * 1024;
/// Operators of one gateway.
pub(crate) const OPERATORS_MAX: usize = 10_000;
/// Longest operator name, in bytes.
pub(crate) const OPERATOR_NAME_LEN_MAX: usize = 64;
/// Largest operator number: with it a wallet's name still is a whole number to every JSON reader.
pub(crate) const OPERATOR_NUMBER_MAX: u32 = 9_000_000;
/// Wallets that one operator can open; its own numbers for them are smaller than this.
pub(crate) const WALLETS_PER_OPERATOR: u64 = 1_000_000_000;

/// Threads that read the database.
pub(crate) const DATABASE_READERS: usize = 2;
/// KiB of pages that each connection to the database caches.
pub(crate) const PAGES_CACHED_KIB: i64 = 1_024;
/// Queries that may wait for the database.
pub(crate) const JOBS_WAITING_MAX: usize = 1_024;
/// Records of the journal that are folded in one commit.
pub(crate) const RECORDS_OF_ONE_COMMIT: usize = 4_096;
/// Lines of one table that go into it with one statement.
pub(crate) const ROWS_AT_ONCE: usize = 64;
/// Things that one statement looks up.
pub(crate) const LOOKED_UP_AT_ONCE: usize = 256;
/// After so many records it is told how far a long folding is.
pub(crate) const FOLDING_TOLD_EVERY: u64 = 250_000;
/// After so many records what operators earned is added up: a start, and whoever asks for a balance,
/// has no more than that to read.
pub(crate) const EARNINGS_EVERY: usize = 100_000;
/// How long what was not a whole commit waits for more.
pub(crate) const PROJECTION_REST: Duration = Duration::from_millis(20);
/// So many records at once are folded without waiting for more: they come from the journal.
pub(crate) const RECORDS_WITHOUT_REST: usize = 1_024;
/// How long projections that cannot be written are left alone at first; it doubles each time.
pub(crate) const PROJECTION_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest time between two tries to write them.
pub(crate) const PROJECTION_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long somebody of staff stays signed in.
pub(crate) const STAFF_SESSION_LIFE: Duration = Duration::from_secs(12 * 3_600);
/// How long a customer stays signed in.
pub(crate) const APP_SESSION_LIFE: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Sessions of one person; the oldest gives way.
pub(crate) const SESSIONS_OF_ONE_MAX: u32 = 10;
/// How long a code counts.
pub(crate) const CODE_LIFE: Duration = Duration::from_secs(600);
/// How often one code may be tried.
pub(crate) const CODE_TRIES_MAX: u32 = 5;
/// Codes that go to one address within an hour.
pub(crate) const CODES_PER_HOUR: u32 = 5;
/// Tries to sign in, or to be sent a code, that one client has at once.
pub(crate) const TRIES_OF_CLIENT: u32 = 20;
/// After how long a client gets another try.
pub(crate) const TRY_REFILL: Duration = Duration::from_secs(15);
/// Tries to sign in that one e-mail address of staff has at once.
pub(crate) const TRIES_OF_EMAIL: u32 = 10;
/// After how long it gets another one.
pub(crate) const EMAIL_TRY_REFILL: Duration = Duration::from_secs(60);
/// Clients and addresses whose tries are counted one by one.
pub(crate) const LIMITED_MAX: usize = 16_384;
/// Shortest password, in characters.
pub(crate) const PASSWORD_LEN_LEAST: usize = 10;
/// Longest password, in bytes.
pub(crate) const PASSWORD_LEN_MAX: usize = 256;
/// Passwords that may wait to be hashed.
pub(crate) const PASSWORDS_WAITING_MAX: usize = 32;
/// Letters that may wait for the courier.
pub(crate) const LETTERS_WAITING_MAX: usize = 256;
/// How long the courier's command has for one letter.
pub(crate) const COURIER_PATIENCE: Duration = Duration::from_secs(30);
/// Words of the courier's command.
pub(crate) const COURIER_WORDS_MAX: usize = 32;
/// Proxies that are believed.
pub(crate) const PROXIES_MAX: usize = 16;
/// Longest e-mail address, in bytes (RFC 5321 section 4.5.3.1.3).
pub(crate) const ADDRESS_LEN_MAX: usize = 254;
/// Longest name of a person, a key, a machine or a place, in bytes.
pub(crate) const NAME_LEN_MAX: usize = 64;
/// Longest words in a claim or an answer, in bytes.
pub(crate) const WORDS_LEN_MAX: usize = 500;
/// API keys of one operator.
pub(crate) const API_KEYS_MAX: usize = 100;
/// Staff of one operator.
pub(crate) const STAFF_MAX: usize = 1_000;
/// Wallets of one customer, each in a currency of its own.
pub(crate) const WALLETS_OF_CUSTOMER_MAX: usize = 8;
/// How long an answer to a request with an idempotency key is kept.
pub(crate) const ANSWER_KEPT: Duration = Duration::from_secs(48 * 3_600);
/// Kept answers that one request sweeps away at most.
pub(crate) const ANSWERS_SWEPT_AT_ONCE: u32 = 64;
/// Customers' numbers have ten digits.
pub(crate) const CUSTOMER_NUMBERS: core::ops::Range<u64> = 1_000_000_000..10_000_000_000;
/// Numbers of customers' own wallets: above those of operators, and whole to every JSON reader.
pub(crate) const CUSTOMER_WALLETS: core::ops::Range<u64> =
    9_000_001_000_000_000..9_007_199_254_740_991;
/// Draws of a random number before it is given up.
pub(crate) const DRAWS_MAX: usize = 8;
/// Receipts in one export.
pub(crate) const RECEIPTS_EXPORTED_MAX: usize = 10_000;
/// Machines on the demo's street.
pub(crate) const DEMO_MACHINES_MAX: u8 = 20;
/// Customers on the demo's street.
pub(crate) const DEMO_CUSTOMERS: [&str; 3] =
    ["ann@demo.example", "bob@demo.example", "eve@demo.example"];

/// Records of the journal whose events a stream can go back to.
pub(crate) const HAPPENINGS_KEPT: u64 = 100_000;
/// Events of one record.
pub(crate) const HAPPENINGS_OF_RECORD_MAX: u64 = 128;
/// Events of one piece of a stream.
pub(crate) const HAPPENINGS_AT_ONCE: usize = 200;
/// Events from before that a stream can begin with.
pub(crate) const RECENT_MAX: usize = 100;
/// After how long a stream that has nothing to say says that it is there.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream goes on before its client has to come, and say who it is, again.
pub(crate) const STREAM_LIFE: Duration = Duration::from_secs(300);
/// How often a stream looks whether anybody is there.
pub(crate) const STREAM_TICK: Duration = Duration::from_secs(1);
/// After how long a client of a stream comes again, in milliseconds.
pub(crate) const STREAM_RETRY_MS: u64 = 2_000;
/// Streams of one operator.
pub(crate) const LISTENERS_OF_OPERATOR_MAX: usize = 64;
/// Streams of all operators: few enough that requests find a connection.
pub(crate) const LISTENERS_MAX: usize = 512;
/// When to come again when there are too many.
pub(crate) const LISTENER_PATIENCE: Duration = Duration::from_secs(30);
/// Pieces of an answer that may wait for its client.
pub(crate) const CHUNKS_WAITING_MAX: usize = 4;
/// How long a client may read nothing of an answer that is made while it is sent.
pub(crate) const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a file for spreadsheets that are read at once.
pub(crate) const CSV_LINES_AT_ONCE: usize = 1_000;
/// Lines of one file for spreadsheets: as many as a spreadsheet takes.
pub(crate) const CSV_LINES_MAX: usize = 1_000_000;
/// Lines of sales of one record: a snapshot of counters has fewer rows.
pub(crate) const LINES_OF_RECORD_MAX: u64 = 128;
/// How long an alarm is shown after it rang last.
pub(crate) const ALARM_SHOWN: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Alarms that are shown of one machine.
pub(crate) const ALARMS_SHOWN_MAX: u32 = 8;
/// A reader that was heard within this time is live.
pub(crate) const LIVE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// A reader that was heard within this time is quiet; after it, silent.
pub(crate) const QUIET_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A sale at more than so many times its listed price needs a person.
pub(crate) const PRICE_FACTOR_MAX: i64 = 3;
/// Counts that are shown of one cash box.
pub(crate) const CASH_COUNTS_SHOWN_MAX: usize = 50;
/// How long a customer has to begin a test vend.
pub(crate) const TEST_LIFE: Duration = Duration::from_secs(600);
/// Tests that may begin, over all machines.
pub(crate) const TESTS_MAX: usize = 1_024;
/// How often it is looked whether the work beside the journal fails.
pub(crate) const UPKEEP_LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often a portion of the journal is tried to be folded when the tables' server is lost meanwhile,
/// before others who write have their turn.
pub(crate) const FOLD_TRIES_MAX: usize = 3;
/// How long a connection to the tables' server is waited for.
pub(crate) const SQL_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to connect to it.
pub(crate) const SQL_PAUSE: Duration = Duration::from_millis(50);
/// How long it may work on one statement.
pub(crate) const SQL_STATEMENT_MAX: Duration = Duration::from_secs(10);
/// How long one waits there until nobody else writes, as long as with SQLite.
pub(crate) const SQL_LOCK_MAX: Duration = Duration::from_secs(5);
/// The oldest server that has all that is asked of it, as it counts itself.
pub(crate) const SQL_SERVER_LEAST: i32 = 130_000;
/// Statements that one connection has prepared.
pub(crate) const SQL_PREPARED_MAX: usize = 256;

/// Machines at which a customer has something made at once.
pub(crate) const FAVOURITES_MAX: i64 = 64;
/// Receipts of a revoked reader that are kept for a person to look at.
pub(crate) const SET_ASIDE_MAX: i64 = 1_024;
/// Audits (EVA-DTS) that are kept of a machine.
pub(crate) const AUDITS_OF_MACHINE_MAX: i64 = 24;

/// Boards with a road of their own.
pub(crate) const ROADS_MAX: usize = 65_536;
/// Roads at once whose boards have not shown yet who they are.
pub(crate) const ROADS_UNPROVEN_MAX: usize = 256;
/// How often a road on which nothing comes is asked whether it stands.
pub(crate) const ROAD_PING_EVERY: Duration = Duration::from_secs(30);
/// A road on which nothing came for so long is cut.
pub(crate) const ROAD_SILENCE_MAX: Duration = Duration::from_secs(100);
/// How long the answer to a typed code is kept for who did not hear it.
pub(crate) const TYPED_KEPT: Duration = Duration::from_secs(60);
/// In which time an account has its failures with typed codes.
pub(crate) const TYPED_WINDOW_OF_ACCOUNT: Duration = Duration::from_secs(900);
/// In which time a machine has its failures with typed codes.
pub(crate) const TYPED_WINDOW_OF_MACHINE: Duration = Duration::from_secs(3_600);

/// The least bytes of a secret that is shared with somebody else's server.
pub(crate) const SECRET_LEN_LEAST: usize = 16;
/// The longest file of one.
pub(crate) const SECRET_FILE_LEN_MAX: u64 = 1_024;
/// How far the time of a signature may be from now.
pub(crate) const SIGNATURE_WINDOW: Duration = Duration::from_secs(300);
/// The longest SMS that is looked at, in bytes.
pub(crate) const SMS_TEXT_MAX: usize = 640;
/// How long a word is waited for that is to be sent back.
pub(crate) const SMS_WORD_LIFE: Duration = Duration::from_secs(300);
/// Words that one customer is asked to send back in an hour; each may be tried once.
pub(crate) const SMS_ASKED_PER_HOUR: i64 = 5;
/// A call for an SMS is over after it.
pub(crate) const SMS_CALL_MAX: Duration = Duration::from_secs(300);

/// Reports of readers that are put together at the same time; each has at most 8 KiB.
pub(crate) const GATHERINGS_MAX: usize = 1_024;
