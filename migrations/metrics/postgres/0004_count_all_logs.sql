-- `as_of` counts all logs that a user's trades are read from: live ones, history, replayed letters. Positions of each only
-- grow, so their sum grows with every commit about a user; the messages carry the same sum.

CREATE OR REPLACE VIEW positions_v1 AS
SELECT p.trader, p.chain, p.asset, p.partition,
       (SELECT CAST(SUM(r.next) AS bigint) FROM position r WHERE r.partition = p.partition) AS as_of,
       p.symbol, p.decimals, p.trades, p.quantity,
       p.unknown_quantity, p.basis_usd, p.realized_pnl_usd, p.proceeds_without_basis_usd, p.proceeds_usd
FROM positions p
WHERE p.trades > 0;

CREATE OR REPLACE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT CAST(SUM(r.next) AS bigint) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

CREATE INDEX position_of_partition ON position (partition);
