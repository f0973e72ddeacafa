-- What a provider has not told of an asset is unknown (null), which is not the same as false. Alchemy never told of spam.

ALTER TABLE balances ALTER COLUMN spam DROP NOT NULL;
ALTER TABLE balances ADD COLUMN verified boolean;
UPDATE balances SET spam = NULL WHERE provider = 'alchemy' AND NOT spam;
COMMENT ON COLUMN balances.spam IS 'whether a provider calls it spam; null where none has told';
COMMENT ON COLUMN balances.verified IS 'whether a provider calls its contract verified; null where none has told';

-- `spam` is as it was, for readers that know no null; `is_spam` tells unknown apart.
CREATE OR REPLACE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw::text AS raw, COALESCE(b.spam, false) AS spam, b.provider,
       b.taken_at, d.net::text AS net, d.drift::text AS drift, b.kept, b.spam AS is_spam, b.verified AS is_verified
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> 0;
