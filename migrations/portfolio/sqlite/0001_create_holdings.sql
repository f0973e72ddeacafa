-- What portfolio keeps; as on PostgreSQL, but amounts are decimal text, since SQLite has no exact decimals.

-- How far each partition of the tape was read; moved by compare-and-set in the transaction of what was read.
CREATE TABLE read_positions (
    log TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (log, partition)
) STRICT;

-- The tracked wallets, and whose snapshot of each is the newest.
CREATE TABLE wallets (
    chain TEXT NOT NULL,
    address TEXT NOT NULL,
    last_trade_at INTEGER NOT NULL,
    provider TEXT,
    taken_at INTEGER,
    PRIMARY KEY (chain, address)
) STRICT;
CREATE INDEX wallets_of_address ON wallets (address);

-- Wallets that wait for a refresh, each once.
CREATE TABLE queue (
    chain TEXT NOT NULL,
    address TEXT NOT NULL,
    last_trade_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (chain, address)
) STRICT;
CREATE INDEX queue_by_last_trade ON queue (last_trade_at);

-- The trades of tracked wallets that are present, so that each counts once in the nets.
CREATE TABLE live_trades (trade_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- What each wallet should hold by its live trades alone; negative where it sold what it had before.
CREATE TABLE nets (
    chain TEXT NOT NULL,
    address TEXT NOT NULL,
    asset TEXT NOT NULL,
    symbol TEXT,
    decimals INTEGER,
    raw TEXT NOT NULL,
    PRIMARY KEY (chain, address, asset)
) STRICT;

-- What providers say; what vanished stays as zero.
CREATE TABLE balances (
    chain TEXT NOT NULL,
    address TEXT NOT NULL,
    provider TEXT NOT NULL,
    asset TEXT NOT NULL,
    symbol TEXT,
    decimals INTEGER,
    raw TEXT NOT NULL,
    spam INTEGER NOT NULL CHECK (spam IN (0, 1)),
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (chain, address, provider, asset)
) STRICT;

-- Messages that wait to be published.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    event_id TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;
