-- Partitions of `trades` are created and dropped by functions that run with the rights of the schema's owner, so the service
-- itself may run with a login that owns nothing (`grants.sql`).
--
-- Names carry the schema, which is the current one here and again when a function runs: a temporary table of the caller
-- could stand before the table otherwise.

CREATE FUNCTION create_trades_partition(number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    period_ms CONSTANT bigint := 30 * 86400000::bigint;
BEGIN
    -- Keeps events of about two kilobytes in the row, uncompressed: TOAST would cost more than the space.
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %1$I.trades_%2$s PARTITION OF %1$I.trades FOR VALUES FROM (%3$s) TO (%4$s)
             WITH (toast_tuple_target = 8160)',
        current_schema(), number, number * period_ms, (number + 1) * period_ms);
END
$$;

CREATE FUNCTION drop_trades_partition(number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('ALTER TABLE %1$I.trades DETACH PARTITION %1$I.trades_%2$s', current_schema(), number);
    EXECUTE format('DROP TABLE %1$I.trades_%2$s', current_schema(), number);
END
$$;

REVOKE EXECUTE ON FUNCTION create_trades_partition(bigint), drop_trades_partition(bigint) FROM PUBLIC;

COMMENT ON FUNCTION create_trades_partition(bigint) IS 'Creates the partition of one period of 30 days of block time unless it exists.';
COMMENT ON FUNCTION drop_trades_partition(bigint) IS 'Drops one partition with its trades.';
