-- Volume by how sure the sides of its trades are, as in postgres/0019, whose comments hold here too.

ALTER TABLE trades ADD COLUMN confidence text DEFAULT 'unknown';
ALTER TABLE user_totals ADD COLUMN volume_exact_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_totals ADD COLUMN volume_reported_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_totals ADD COLUMN volume_estimated_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_totals ADD COLUMN volume_traced_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_hours ADD COLUMN volume_exact_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_hours ADD COLUMN volume_reported_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_hours ADD COLUMN volume_estimated_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_hours ADD COLUMN volume_traced_usd text NOT NULL DEFAULT '0';

ALTER TABLE method ADD COLUMN confidence_complete integer NOT NULL DEFAULT 1;
UPDATE method SET confidence_complete = 0 WHERE EXISTS (SELECT 1 FROM user_totals);

DROP VIEW user_totals_v1;
CREATE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT SUM(r.next) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd,
       u.basis_without_proceeds_usd, u.implausible, u.implausible_usd,
       u.volume_exact_usd, u.volume_reported_usd, u.volume_estimated_usd, u.volume_traced_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

DROP VIEW user_hours_v1;
CREATE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd,
       volume_exact_usd, volume_reported_usd, volume_estimated_usd, volume_traced_usd
FROM user_hours;
