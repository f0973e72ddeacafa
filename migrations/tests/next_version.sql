-- What a next version may do to a schema of PostgreSQL: every table and view gains a column, and there is one table more.
-- Tests of the services run on such a schema too, so that a rolling upgrade can migrate first.
DO $$
DECLARE
    relation record;
BEGIN
    FOR relation IN
        SELECT oid, relname, relkind FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
            AND relname <> '_sqlx_migrations'
        ORDER BY relkind = 'v', oid
    LOOP
        IF relation.relkind = 'v' THEN
            EXECUTE format('CREATE OR REPLACE VIEW %I AS SELECT was.*, ''next''::text AS of_next_version FROM (%s) AS was',
                relation.relname, rtrim(pg_get_viewdef(relation.oid), ';'));
        ELSE
            EXECUTE format('ALTER TABLE %I ADD COLUMN of_next_version text NOT NULL DEFAULT ''next''', relation.relname);
        END IF;
    END LOOP;
END $$;
CREATE TABLE of_next_version (number bigint PRIMARY KEY);
INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    SELECT max(version) + 1, 'add columns', true, '\x00', 0 FROM _sqlx_migrations;
