-- The book of metrics: every trade with the effect it had, what follows from the live ones, and how far the tape is read.
-- Names carry no schema: the service sets its search path to the schema it owns (`metrics`).
--
-- Decisions
-- * `trades` is unique by (block time, trade id, trader), so that it can be partitioned by block time without another
--   key. The design names the first two; a trade detected anew for another trader arrives in another partition of the
--   log, possibly before the old one is taken back, and neither partition may touch the other's row.
-- * Identities sort by bytes (COLLATE "C"), as they do in Rust: ties in chain order must fall alike everywhere.
-- * Lists by (block time, chain, height, …) are served by the key's first column and an incremental sort; no index of
--   their own, because every index is paid for with each trade.
-- * Amounts are `numeric` without a scale: exact, and printed as they were written.

CREATE TABLE position (
    log       text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    next      bigint NOT NULL,
    PRIMARY KEY (log, partition)
);
COMMENT ON TABLE position IS 'next offset to read, per partition of a log; moved first in every commit, only from where it was';

CREATE TABLE trades (
    block_time_ms              bigint NOT NULL,
    trade_id                   text COLLATE "C" NOT NULL,
    chain                      text COLLATE "C" NOT NULL,
    trader                     text COLLATE "C" NOT NULL,
    height                     bigint NOT NULL,
    tx_index                   bigint NOT NULL,
    ordinal                    bigint NOT NULL,
    kind                       text NOT NULL,
    status                     text NOT NULL CHECK (status IN ('live', 'reverted')),
    cycle                      boolean NOT NULL,
    sold_asset                 text COLLATE "C" NOT NULL,
    sold_raw                   numeric NOT NULL,
    sold_quote                 boolean NOT NULL,
    bought_asset               text COLLATE "C" NOT NULL,
    bought_raw                 numeric NOT NULL,
    bought_quote               boolean NOT NULL,
    notional_usd               numeric,
    fee_usd                    numeric,
    platform                   text COLLATE "C",
    venues                     text[] NOT NULL,
    event                      text NOT NULL,
    realized_pnl_usd           numeric,
    proceeds_without_basis_usd numeric,
    sold_quantity_after        numeric,
    sold_unknown_after         numeric,
    sold_basis_after           numeric,
    bought_quantity_after      numeric,
    bought_unknown_after       numeric,
    bought_basis_after         numeric,
    PRIMARY KEY (block_time_ms, trade_id, trader)
);
COMMENT ON COLUMN trades.event IS 'TradeExecutedV1 as JSON, of the event that put the trade into its status';
COMMENT ON COLUMN trades.sold_quantity_after IS 'what the book of the sold asset held after this trade: a checkpoint; null when the side makes no position';

CREATE INDEX trades_of_trader ON trades (trader, block_time_ms);
CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);

CREATE TABLE positions (
    trader                     text COLLATE "C" NOT NULL,
    chain                      text COLLATE "C" NOT NULL,
    asset                      text COLLATE "C" NOT NULL,
    partition                  integer NOT NULL,
    as_of                      bigint NOT NULL,
    symbol                     text,
    decimals                   smallint,
    trades                     bigint NOT NULL,
    quantity                   numeric NOT NULL,
    unknown_quantity           numeric NOT NULL,
    basis_usd                  numeric NOT NULL,
    realized_pnl_usd           numeric NOT NULL,
    proceeds_without_basis_usd numeric NOT NULL,
    PRIMARY KEY (trader, chain, asset)
);
COMMENT ON COLUMN positions.as_of IS 'next offset of the owning partition after the batch that last touched the row';

CREATE TABLE user_totals (
    trader                     text COLLATE "C" NOT NULL,
    chain                      text COLLATE "C" NOT NULL,
    partition                  integer NOT NULL,
    as_of                      bigint NOT NULL,
    volume_usd                 numeric NOT NULL,
    swaps                      bigint NOT NULL,
    unvalued                   bigint NOT NULL,
    cycles                     bigint NOT NULL,
    fees_usd                   numeric NOT NULL,
    realized_pnl_usd           numeric NOT NULL,
    realized_pnl_net_usd       numeric NOT NULL,
    proceeds_without_basis_usd numeric NOT NULL,
    seen_height                bigint NOT NULL,
    seen_index                 bigint NOT NULL,
    seen_ordinal               bigint NOT NULL,
    PRIMARY KEY (trader, chain)
);
COMMENT ON COLUMN user_totals.seen_height IS 'no trade of this user above (seen_height, seen_index, seen_ordinal) was ever stored, live or reverted';

CREATE TABLE fees (
    trader    text COLLATE "C" NOT NULL,
    chain     text COLLATE "C" NOT NULL,
    platform  text COLLATE "C" NOT NULL,
    day       bigint NOT NULL,
    partition integer NOT NULL,
    trades    bigint NOT NULL,
    fees_usd  numeric NOT NULL,
    PRIMARY KEY (trader, chain, platform, day)
);
COMMENT ON COLUMN fees.day IS 'days since 1970-01-01, UTC, of the block';
COMMENT ON COLUMN fees.platform IS 'empty where the trade names none';

CREATE TABLE outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text NOT NULL,
    key      text NOT NULL,
    payload  text NOT NULL
);
COMMENT ON TABLE outbox IS 'messages for metrics.updated.v1, written with the facts, deleted once published';
