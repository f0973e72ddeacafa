-- What is told of a batch continues the trace of the block that it is due to.

ALTER TABLE outbox ADD COLUMN trace text;
COMMENT ON COLUMN outbox.trace IS 'W3C traceparent of the trade read last before the commit; null where that names none';
