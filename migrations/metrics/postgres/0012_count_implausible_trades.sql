-- Trades whose valuation exceeds a plausible notional are counted apart, in no other sum. 0011 has emptied the book, so
-- nothing is converted.

ALTER TABLE method ADD COLUMN max_notional_usd text NOT NULL DEFAULT '1000000000';
COMMENT ON COLUMN method.max_notional_usd IS 'a trade whose worth or fee exceeds this many dollars is implausible';

ALTER TABLE trades ADD COLUMN implausible_usd numeric;
COMMENT ON COLUMN trades.implausible_usd IS 'the worth that an implausible trade claims; it has no notional and no fee then';
ALTER TABLE user_totals ADD COLUMN implausible bigint NOT NULL DEFAULT 0, ADD COLUMN implausible_usd numeric NOT NULL DEFAULT 0;
ALTER TABLE user_hours ADD COLUMN implausible bigint NOT NULL DEFAULT 0, ADD COLUMN implausible_usd numeric NOT NULL DEFAULT 0;
ALTER TABLE leaders ADD COLUMN implausible bigint NOT NULL DEFAULT 0, ADD COLUMN implausible_usd numeric NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT CAST(SUM(r.next) AS bigint) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd,
       u.basis_without_proceeds_usd, u.implausible, u.implausible_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

CREATE OR REPLACE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd
FROM user_hours;

CREATE OR REPLACE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd
FROM leaders;

CREATE OR REPLACE VIEW method_v1 AS
SELECT name, (SELECT cut_ms FROM retention) AS cut_ms, natives, max_notional_usd FROM method;
