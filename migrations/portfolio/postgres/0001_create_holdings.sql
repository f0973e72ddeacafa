-- What portfolio keeps. Unqualified names: the owner connects with search_path `portfolio`.

-- How far each partition of the tape was read; moved by compare-and-set in the transaction of what was read.
CREATE TABLE read_positions (
    log text NOT NULL,
    partition integer NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (log, partition)
);

-- The tracked wallets, and whose snapshot of each is the newest.
CREATE TABLE wallets (
    chain text NOT NULL,
    address text NOT NULL,
    last_trade_at bigint NOT NULL,
    provider text,
    taken_at bigint,
    PRIMARY KEY (chain, address)
);
CREATE INDEX wallets_of_address ON wallets (address);

-- Wallets that wait for a refresh, each once.
CREATE TABLE queue (
    chain text NOT NULL,
    address text NOT NULL,
    last_trade_at bigint NOT NULL,
    due_at bigint NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0,
    leased_until bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (chain, address)
);
CREATE INDEX queue_by_last_trade ON queue (last_trade_at);

-- The trades of tracked wallets that are present, so that each counts once in the nets.
CREATE TABLE live_trades (trade_id text PRIMARY KEY);

-- What each wallet should hold by its live trades alone; negative where it sold what it had before.
CREATE TABLE nets (
    chain text NOT NULL,
    address text NOT NULL,
    asset text NOT NULL,
    symbol text,
    decimals smallint,
    raw numeric NOT NULL,
    PRIMARY KEY (chain, address, asset)
);

-- What providers say; what vanished stays as zero.
CREATE TABLE balances (
    chain text NOT NULL,
    address text NOT NULL,
    provider text NOT NULL,
    asset text NOT NULL,
    symbol text,
    decimals smallint,
    raw numeric(78, 0) NOT NULL CHECK (raw >= 0),
    spam boolean NOT NULL,
    taken_at bigint NOT NULL,
    PRIMARY KEY (chain, address, provider, asset)
);

-- Messages that wait to be published.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    event_id text NOT NULL,
    payload bytea NOT NULL
);
