-- The view of the method also says from which block time on trades are kept, so that a reader of trades begins there.
--
-- Decisions
-- * 2026-11-29: the api bounds the rows that one page of trades may walk. What stands below the cut and is unseen was walked
--   as well, row by row and without end, because the `OR` of `trades_v1` is no range of an index. A column of a view that is
--   granted already needs no step by hand; a view of its own would.

CREATE OR REPLACE VIEW method_v1 AS
SELECT name, (SELECT cut_ms FROM retention) AS cut_ms FROM method;
