-- Two roles on the schema `metrics`: `chaintape_reader` reads what metrics publishes, `chaintape_metrics` reads and writes its
-- tables and owns nothing. Run by the schema's owner, who may create roles, after each migration:
--   metrics migrate --grants      or      psql "$OWNER_URL" -f migrations/metrics/postgres/grants.sql
-- then `GRANT chaintape_reader TO <the api's login>` and `GRANT chaintape_metrics TO <the login of metrics>`. No migration does
-- this: creating roles is not a service's right.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chaintape_reader') THEN
        CREATE ROLE chaintape_reader NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chaintape_metrics') THEN
        CREATE ROLE chaintape_metrics NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA metrics TO chaintape_reader;
GRANT SELECT ON metrics.trades_v1, metrics.positions_v1, metrics.user_totals_v1,
    metrics.user_hours_v1, metrics.fees_v1, metrics.platform_fees_v1, metrics.leaders_v1, metrics.method_v1,
    metrics.read_positions_v1, metrics.platforms_v1, metrics.platform_days_v1, metrics.user_platforms_v1,
    metrics.platform_leaders_v1, metrics.assets_v1, metrics.candles_v1, metrics.asset_pools_v1 TO chaintape_reader;

GRANT USAGE ON SCHEMA metrics TO chaintape_metrics;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA metrics TO chaintape_metrics;
REVOKE INSERT, UPDATE, DELETE ON metrics._sqlx_migrations FROM chaintape_metrics;
GRANT EXECUTE ON FUNCTION metrics.create_trades_partition(bigint), metrics.drop_trades_partition(bigint)
    TO chaintape_metrics;
