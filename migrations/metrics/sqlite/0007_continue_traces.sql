-- What is told of a batch continues the trace of the block that it is due to: W3C traceparent of the trade read last.

ALTER TABLE outbox ADD COLUMN trace text;
