-- The key of a trade begins with its trader.
--
-- Decisions
-- * 2026-11-27: a batch is of one partition, so of few traders, whose trades may lie anywhere in time while the tape is folded
--   from its beginning. A key that began with the block time sent every row of a batch to another page of the largest
--   index. Now a batch sorted by trader fills neighbouring pages, and the key serves the trades of a user as well; what is
--   listed by time alone has an index of eight bytes. Price: this migration writes two indexes anew.

ALTER TABLE trades DROP CONSTRAINT trades_pkey;
ALTER TABLE trades ADD PRIMARY KEY (trader, block_time_ms, trade_id);
DROP INDEX trades_of_trader;
CREATE INDEX trades_by_time ON trades (block_time_ms);
