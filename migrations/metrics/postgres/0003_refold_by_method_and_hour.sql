-- The book anew: by either method, with hours, in partitions of 30 days. Everything here is a function of the tape, so
-- nothing is converted: the read positions go too, and the service folds the tape again from its beginning.
--
-- Decisions
-- * `trades` is partitioned by block time (30 days a partition, made by the service as blocks need them; what no sane
--   clock says goes to `trades_other`), so that old trades can be dropped by the partition.
-- * A position keeps its row when its last trade is taken back: the decoration stays, and the tables come out the same
--   however the tape is cut into batches. The views leave such rows out.
-- * `as_of` is no column any more: a row is folded up to where its partition is read, and only the views say so.

DROP VIEW trades_v1, positions_v1, user_totals_v1, fees_v1, read_positions_v1;
DROP TABLE trades, positions, user_totals, fees;
TRUNCATE position, outbox;

CREATE TABLE method (name text PRIMARY KEY);
COMMENT ON TABLE method IS 'how the cost of what is sold is found, `average` or `fifo`: one row, written once';

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
    sold_taken                 text,
    sold_quantity_after        numeric,
    sold_unknown_after         numeric,
    sold_basis_after           numeric,
    sold_parcels_after         text,
    bought_quantity_after      numeric,
    bought_unknown_after       numeric,
    bought_basis_after         numeric,
    bought_parcels_after       text,
    PRIMARY KEY (block_time_ms, trade_id, trader)
) PARTITION BY RANGE (block_time_ms);
COMMENT ON COLUMN trades.event IS 'TradeExecutedV1 as JSON, of the event that put the trade into its status';
COMMENT ON COLUMN trades.sold_quantity_after IS 'what the book of the sold asset held after this trade; null when the side makes no position';
COMMENT ON COLUMN trades.sold_taken IS 'first in, first out: the parcels this sale took, [[trade, quantity, basis], …] as JSON, oldest first';
COMMENT ON COLUMN trades.sold_parcels_after IS 'first in, first out: the parcels held after this trade, where it is a checkpoint; by average every trade is one and this is null';

CREATE INDEX trades_of_trader ON trades (trader, block_time_ms);
CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);
CREATE TABLE trades_other PARTITION OF trades DEFAULT WITH (toast_tuple_target = 8160);

CREATE TABLE positions (
    trader                     text COLLATE "C" NOT NULL,
    chain                      text COLLATE "C" NOT NULL,
    asset                      text COLLATE "C" NOT NULL,
    partition                  integer NOT NULL,
    symbol                     text,
    decimals                   smallint,
    decorated_height           bigint,
    decorated_index            bigint,
    decorated_ordinal          bigint,
    trades                     bigint NOT NULL,
    quantity                   numeric NOT NULL,
    unknown_quantity           numeric NOT NULL,
    basis_usd                  numeric NOT NULL,
    parcels                    text,
    realized_pnl_usd           numeric NOT NULL,
    proceeds_usd               numeric NOT NULL,
    proceeds_without_basis_usd numeric NOT NULL,
    PRIMARY KEY (trader, chain, asset)
) WITH (fillfactor = 80);
COMMENT ON COLUMN positions.decorated_height IS 'place of the trade that symbol and decimals are of: the newest that ever carried any';

CREATE TABLE user_totals (
    trader                     text COLLATE "C" NOT NULL,
    chain                      text COLLATE "C" NOT NULL,
    partition                  integer NOT NULL,
    volume_usd                 numeric NOT NULL,
    swaps                      bigint NOT NULL,
    unvalued                   bigint NOT NULL,
    cycles                     bigint NOT NULL,
    fees_usd                   numeric NOT NULL,
    realized_pnl_usd           numeric NOT NULL,
    realized_pnl_net_usd       numeric NOT NULL,
    proceeds_usd               numeric NOT NULL,
    proceeds_without_basis_usd numeric NOT NULL,
    seen_height                bigint NOT NULL,
    seen_index                 bigint NOT NULL,
    seen_ordinal               bigint NOT NULL,
    PRIMARY KEY (trader, chain)
) WITH (fillfactor = 80);
COMMENT ON COLUMN user_totals.proceeds_usd IS 'of sales, the part whose basis is known';
COMMENT ON COLUMN user_totals.seen_height IS 'no trade of this user above (seen_height, seen_index, seen_ordinal) was ever stored, live or reverted';

CREATE TABLE user_hours (
    trader                     text COLLATE "C" NOT NULL,
    chain                      text COLLATE "C" NOT NULL,
    hour                       bigint NOT NULL,
    partition                  integer NOT NULL,
    volume_usd                 numeric NOT NULL,
    swaps                      bigint NOT NULL,
    unvalued                   bigint NOT NULL,
    cycles                     bigint NOT NULL,
    fees_usd                   numeric NOT NULL,
    realized_pnl_usd           numeric NOT NULL,
    proceeds_usd               numeric NOT NULL,
    proceeds_without_basis_usd numeric NOT NULL,
    PRIMARY KEY (trader, chain, hour)
) WITH (fillfactor = 80);
COMMENT ON COLUMN user_hours.hour IS 'hours since 1970-01-01 00:00, UTC, of the block; what a sale realizes counts in its own hour';
CREATE INDEX user_hours_by_hour ON user_hours (hour);

CREATE TABLE fees (
    trader    text COLLATE "C" NOT NULL,
    chain     text COLLATE "C" NOT NULL,
    platform  text COLLATE "C" NOT NULL,
    day       bigint NOT NULL,
    partition integer NOT NULL,
    trades    bigint NOT NULL,
    fees_usd  numeric NOT NULL,
    PRIMARY KEY (trader, chain, platform, day)
) WITH (fillfactor = 80);
COMMENT ON COLUMN fees.day IS 'days since 1970-01-01, UTC, of the block';
COMMENT ON COLUMN fees.platform IS 'empty where the trade names none';
CREATE INDEX fees_of_platform ON fees (platform, day);

CREATE TABLE leaders (
    span             text NOT NULL,
    measure          text NOT NULL,
    rank             integer NOT NULL,
    trader           text COLLATE "C" NOT NULL,
    volume_usd       numeric NOT NULL,
    swaps            bigint NOT NULL,
    fees_usd         numeric NOT NULL,
    realized_pnl_usd numeric NOT NULL,
    built_at_ms      bigint NOT NULL,
    PRIMARY KEY (span, measure, rank)
);
COMMENT ON TABLE leaders IS 'the first thousand per span and measure over all chains, rebuilt every half minute';

-- What others may read: the api's role can select these views and nothing else. Columns are only ever added.

CREATE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken
FROM trades;

CREATE VIEW positions_v1 AS
SELECT p.trader, p.chain, p.asset, p.partition, r.next AS as_of, p.symbol, p.decimals, p.trades, p.quantity,
       p.unknown_quantity, p.basis_usd, p.realized_pnl_usd, p.proceeds_without_basis_usd, p.proceeds_usd
FROM positions p
LEFT JOIN position r ON r.log = 'trades.executed.v1' AND r.partition = p.partition
WHERE p.trades > 0;

CREATE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition, r.next AS as_of, u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd
FROM user_totals u
LEFT JOIN position r ON r.log = 'trades.executed.v1' AND r.partition = u.partition
WHERE u.swaps > 0 OR u.cycles > 0;

CREATE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd
FROM user_hours;

CREATE VIEW fees_v1 AS
SELECT trader, chain, platform, day, partition, trades, fees_usd FROM fees;

CREATE VIEW platform_fees_v1 AS
SELECT platform, day, sum(trades)::bigint AS trades, sum(fees_usd) AS fees_usd FROM fees GROUP BY platform, day;

CREATE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms FROM leaders;

CREATE VIEW method_v1 AS
SELECT name FROM method;

CREATE VIEW read_positions_v1 AS
SELECT log, partition, next FROM position;
