-- The reading role of the api on what metrics publishes. Run once by an administrator, after metrics has migrated:
--   psql "$ADMIN_URL" -f migrations/metrics/postgres/grants.sql
-- then `GRANT chaintape_reader TO <the api's login>`. No migration does this: creating roles is not a service's right.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chaintape_reader') THEN
        CREATE ROLE chaintape_reader NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA metrics TO chaintape_reader;
GRANT SELECT ON metrics.trades_v1, metrics.positions_v1, metrics.user_totals_v1,
    metrics.user_hours_v1, metrics.fees_v1, metrics.platform_fees_v1, metrics.leaders_v1, metrics.method_v1,
    metrics.read_positions_v1 TO chaintape_reader;
