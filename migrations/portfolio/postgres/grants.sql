-- Two roles on the schema `portfolio`: `chaintape_reader` reads what portfolio publishes, `chaintape_portfolio` reads and writes its
-- tables and owns nothing. Run by the schema's owner, who may create roles, after each migration:
--   portfolio migrate --grants      or      psql "$OWNER_URL" -f migrations/portfolio/postgres/grants.sql
-- then `GRANT chaintape_reader TO <the api's login>` and `GRANT chaintape_portfolio TO <the login of portfolio>`. No migration does
-- this: creating roles is not a service's right.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chaintape_reader') THEN
        CREATE ROLE chaintape_reader NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'chaintape_portfolio') THEN
        CREATE ROLE chaintape_portfolio NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA portfolio TO chaintape_reader;
GRANT SELECT ON portfolio.balances_v1, portfolio.drift_v1, portfolio.wallets_v1, portfolio.read_positions_v1,
    portfolio.told_prices_v1, portfolio.balance_days_v1 TO chaintape_reader;

GRANT USAGE ON SCHEMA portfolio TO chaintape_portfolio;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA portfolio TO chaintape_portfolio;
REVOKE INSERT, UPDATE, DELETE ON portfolio._sqlx_migrations FROM chaintape_portfolio;
