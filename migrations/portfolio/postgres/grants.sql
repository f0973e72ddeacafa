-- The reading role of the api on what portfolio publishes. Run once by an administrator, after portfolio has migrated:
--   psql "$ADMIN_URL" -f migrations/portfolio/postgres/grants.sql
-- then `GRANT chaintape_reader TO <the api's login>`. No migration does this: creating roles is not a service's right.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chaintape_reader') THEN
        CREATE ROLE chaintape_reader NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA portfolio TO chaintape_reader;
GRANT SELECT ON portfolio.balances_v1, portfolio.drift_v1, portfolio.wallets_v1, portfolio.read_positions_v1 TO chaintape_reader;
