-- The book anew, as in postgres/0003, whose comments hold here too: nothing is converted, the tape is folded again.
-- Amounts are plain decimal text; what PostgreSQL adds up in SQL is added up by the service.

DROP VIEW trades_v1;
DROP VIEW positions_v1;
DROP VIEW user_totals_v1;
DROP VIEW fees_v1;
DROP VIEW read_positions_v1;
DROP TABLE trades;
DROP TABLE positions;
DROP TABLE user_totals;
DROP TABLE fees;
DELETE FROM position;
DELETE FROM outbox;

CREATE TABLE method (name text PRIMARY KEY);

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
    sold_taken                 text,
    sold_quantity_after        text,
    sold_unknown_after         text,
    sold_basis_after           text,
    sold_parcels_after         text,
    bought_quantity_after      text,
    bought_unknown_after       text,
    bought_basis_after         text,
    bought_parcels_after       text,
    PRIMARY KEY (block_time_ms, trade_id, trader)
);

CREATE INDEX trades_of_trader ON trades (trader, block_time_ms);
CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);

CREATE TABLE positions (
    trader                     text NOT NULL,
    chain                      text NOT NULL,
    asset                      text NOT NULL,
    partition                  integer NOT NULL,
    symbol                     text,
    decimals                   integer,
    decorated_height           integer,
    decorated_index            integer,
    decorated_ordinal          integer,
    trades                     integer NOT NULL,
    quantity                   text NOT NULL,
    unknown_quantity           text NOT NULL,
    basis_usd                  text NOT NULL,
    parcels                    text,
    realized_pnl_usd           text NOT NULL,
    proceeds_usd               text NOT NULL,
    proceeds_without_basis_usd text NOT NULL,
    PRIMARY KEY (trader, chain, asset)
);

CREATE TABLE user_totals (
    trader                     text NOT NULL,
    chain                      text NOT NULL,
    partition                  integer NOT NULL,
    volume_usd                 text NOT NULL,
    swaps                      integer NOT NULL,
    unvalued                   integer NOT NULL,
    cycles                     integer NOT NULL,
    fees_usd                   text NOT NULL,
    realized_pnl_usd           text NOT NULL,
    realized_pnl_net_usd       text NOT NULL,
    proceeds_usd               text NOT NULL,
    proceeds_without_basis_usd text NOT NULL,
    seen_height                integer NOT NULL,
    seen_index                 integer NOT NULL,
    seen_ordinal               integer NOT NULL,
    PRIMARY KEY (trader, chain)
);

CREATE TABLE user_hours (
    trader                     text NOT NULL,
    chain                      text NOT NULL,
    hour                       integer NOT NULL,
    partition                  integer NOT NULL,
    volume_usd                 text NOT NULL,
    swaps                      integer NOT NULL,
    unvalued                   integer NOT NULL,
    cycles                     integer NOT NULL,
    fees_usd                   text NOT NULL,
    realized_pnl_usd           text NOT NULL,
    proceeds_usd               text NOT NULL,
    proceeds_without_basis_usd text NOT NULL,
    PRIMARY KEY (trader, chain, hour)
);
CREATE INDEX user_hours_by_hour ON user_hours (hour);

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
CREATE INDEX fees_of_platform ON fees (platform, day);

CREATE TABLE leaders (
    span             text NOT NULL,
    measure          text NOT NULL,
    rank             integer NOT NULL,
    trader           text NOT NULL,
    volume_usd       text NOT NULL,
    swaps            integer NOT NULL,
    fees_usd         text NOT NULL,
    realized_pnl_usd text NOT NULL,
    built_at_ms      integer NOT NULL,
    PRIMARY KEY (span, measure, rank)
);

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

CREATE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms FROM leaders;

CREATE VIEW method_v1 AS
SELECT name FROM method;

CREATE VIEW read_positions_v1 AS
SELECT log, partition, next FROM position;
