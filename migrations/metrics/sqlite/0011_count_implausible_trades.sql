-- Trades whose valuation exceeds a plausible notional are counted apart, as in postgres/0012, whose comments hold here too.

ALTER TABLE method ADD COLUMN max_notional_usd text NOT NULL DEFAULT '1000000000';
ALTER TABLE trades ADD COLUMN implausible_usd text;
ALTER TABLE user_totals ADD COLUMN implausible integer NOT NULL DEFAULT 0;
ALTER TABLE user_totals ADD COLUMN implausible_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_hours ADD COLUMN implausible integer NOT NULL DEFAULT 0;
ALTER TABLE user_hours ADD COLUMN implausible_usd text NOT NULL DEFAULT '0';
ALTER TABLE leaders ADD COLUMN implausible integer NOT NULL DEFAULT 0;
ALTER TABLE leaders ADD COLUMN implausible_usd text NOT NULL DEFAULT '0';

DROP VIEW user_totals_v1;
CREATE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT SUM(r.next) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd,
       u.basis_without_proceeds_usd, u.implausible, u.implausible_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

DROP VIEW user_hours_v1;
CREATE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd
FROM user_hours;

DROP VIEW leaders_v1;
CREATE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd
FROM leaders;

DROP VIEW method_v1;
CREATE VIEW method_v1 AS
SELECT name, (SELECT cut_ms FROM retention) AS cut_ms, natives, max_notional_usd FROM method;
