-- For a database whose schemas were made by another login, such as the administrator: gives them to their owners. Run by the administrator,
-- in that database, after bootstrap.sql; the services are stopped:  psql "$ADMIN_URL/chaintape" -v ON_ERROR_STOP=1 -f deploy/postgres/take_over.sql
SELECT format('ALTER SCHEMA %I OWNER TO %I', owner, owner) FROM unnest(ARRAY['metrics', 'portfolio']) AS owner \gexec
SELECT format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, n.nspname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('metrics', 'portfolio') AND c.relkind IN ('r', 'p', 'v') \gexec
