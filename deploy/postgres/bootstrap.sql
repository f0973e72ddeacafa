-- The database, one login per service, and who may do what. Run by an administrator, before the services start; running it
-- again changes passwords and nothing else:
--   METRICS_PASSWORD=… PORTFOLIO_PASSWORD=… API_PASSWORD=… psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/bootstrap.sql
-- `-v database=NAME` names another database than `chaintape`. After this no process needs the administrator.
\set QUIET on
SET client_min_messages = warning;

\if :{?database}
\else
    \set database chaintape
\endif
\getenv metrics_password METRICS_PASSWORD
\getenv portfolio_password PORTFOLIO_PASSWORD
\getenv api_password API_PASSWORD

SELECT format('CREATE ROLE %I', role)
FROM unnest(ARRAY['metrics', 'portfolio', 'api', 'chaintape_reader', 'chaintape_metrics', 'chaintape_portfolio']) AS role
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role)
\gexec

ALTER ROLE metrics WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE portfolio WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE api WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- A password that is not given stays as it was.
\if :{?metrics_password}
    ALTER ROLE metrics PASSWORD :'metrics_password';
\endif
\if :{?portfolio_password}
    ALTER ROLE portfolio PASSWORD :'portfolio_password';
\endif
\if :{?api_password}
    ALTER ROLE api PASSWORD :'api_password';
\endif
-- The api sees what was granted to the reading role, and every transaction of it is read-only.
ALTER ROLE chaintape_reader WITH NOLOGIN;
-- For logins that own nothing (migrations/README.md); made here because the owners may not create roles.
ALTER ROLE chaintape_metrics WITH NOLOGIN;
ALTER ROLE chaintape_portfolio WITH NOLOGIN;
GRANT chaintape_reader TO api;
ALTER ROLE api SET default_transaction_read_only = on;

SELECT format('CREATE DATABASE %I', :'database')
WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = :'database')
\gexec

-- Nobody connects or creates by being anybody.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO metrics, portfolio, api;
-- Each owner makes its own schema at its first start, and metrics a scratch schema for `metrics refold`.
GRANT CREATE ON DATABASE :"database" TO metrics, portfolio;

\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
