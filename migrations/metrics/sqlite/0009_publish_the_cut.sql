-- The view of the method also says from which block time on trades are kept, as in postgres/0009, whose comments hold here too.

DROP VIEW method_v1;

CREATE VIEW method_v1 AS
SELECT name, (SELECT cut_ms FROM retention) AS cut_ms FROM method;
