-- The book of metrics: every trade with the effect it had, what follows from the live ones, and how far the tape is read.
-- One file per service; a reader attaches it under the name `metrics`. The columns are those of PostgreSQL, where their
-- comments stand.
--
-- Decisions
-- * Amounts are plain decimal text, in the very form the api serves (`-12.5`), exact at any size. The design names
--   fixed-width sortable text; that form would have to be undone by every reader and orders nothing that is ordered
--   today. A list that is ordered by an amount keeps an integer of micro-dollars beside it.
-- * `venues` is a JSON array of texts.

CREATE TABLE position (
    log       text NOT NULL,
    partition integer NOT NULL,
    next      integer NOT NULL,
    PRIMARY KEY (log, partition)
);

CREATE TABLE trades (
    block_time_ms              integer NOT NULL,
    trade_id                   text NOT NULL,
    chain                      text NOT NULL,
    trader                     text NOT NULL,
    height                     integer NOT NULL,
    tx_index                   integer NOT NULL,
    ordinal                    integer NOT NULL,
    kind                       text NOT NULL,
    status                     text NOT NULL CHECK (status IN ('live', 'reverted')),
    cycle                      integer NOT NULL,
    sold_asset                 text NOT NULL,
    sold_raw                   text NOT NULL,
    sold_quote                 integer NOT NULL,
    bought_asset               text NOT NULL,
    bought_raw                 text NOT NULL,
    bought_quote               integer NOT NULL,
    notional_usd               text,
    fee_usd                    text,
    platform                   text,
    venues                     text NOT NULL,
    event                      text NOT NULL,
    realized_pnl_usd           text,
    proceeds_without_basis_usd text,
    sold_quantity_after        text,
    sold_unknown_after         text,
    sold_basis_after           text,
    bought_quantity_after      text,
    bought_unknown_after       text,
    bought_basis_after         text,
    PRIMARY KEY (block_time_ms, trade_id, trader)
);

CREATE INDEX trades_of_trader ON trades (trader, block_time_ms);
CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);

CREATE TABLE positions (
    trader                     text NOT NULL,
    chain                      text NOT NULL,
    asset                      text NOT NULL,
    partition                  integer NOT NULL,
    as_of                      integer NOT NULL,
    symbol                     text,
    decimals                   integer,
    trades                     integer NOT NULL,
    quantity                   text NOT NULL,
    unknown_quantity           text NOT NULL,
    basis_usd                  text NOT NULL,
    realized_pnl_usd           text NOT NULL,
    proceeds_without_basis_usd text NOT NULL,
    PRIMARY KEY (trader, chain, asset)
);

CREATE TABLE user_totals (
    trader                     text NOT NULL,
    chain                      text NOT NULL,
    partition                  integer NOT NULL,
    as_of                      integer NOT NULL,
    volume_usd                 text NOT NULL,
    swaps                      integer NOT NULL,
    unvalued                   integer NOT NULL,
    cycles                     integer NOT NULL,
    fees_usd                   text NOT NULL,
    realized_pnl_usd           text NOT NULL,
    realized_pnl_net_usd       text NOT NULL,
    proceeds_without_basis_usd text NOT NULL,
    seen_height                integer NOT NULL,
    seen_index                 integer NOT NULL,
    seen_ordinal               integer NOT NULL,
    PRIMARY KEY (trader, chain)
);

CREATE TABLE fees (
    trader    text NOT NULL,
    chain     text NOT NULL,
    platform  text NOT NULL,
    day       integer NOT NULL,
    partition integer NOT NULL,
    trades    integer NOT NULL,
    fees_usd  text NOT NULL,
    PRIMARY KEY (trader, chain, platform, day)
);

CREATE TABLE outbox (
    id       integer PRIMARY KEY AUTOINCREMENT,
    event_id text NOT NULL,
    key      text NOT NULL,
    payload  text NOT NULL
);
