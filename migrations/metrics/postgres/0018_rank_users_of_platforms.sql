-- The leaderboards of platforms: the first thousand users of each by volume and by fees, in each span of time.
--
-- Decisions
-- * 2026-11-29: added up from the hours of platforms whenever the leaderboards are rebuilt, in the same transaction. A user's
--   profit has no platform (a position is bought here and sold there), so these boards have none. Price: the hours of all
--   platforms are read once per span and rebuilding; without platforms there are none.

CREATE TABLE platform_leaders (
    platform    text COLLATE "C" NOT NULL,
    span        text NOT NULL,
    measure     text NOT NULL,
    rank        bigint NOT NULL,
    trader      text COLLATE "C" NOT NULL,
    swaps       bigint NOT NULL,
    unvalued    bigint NOT NULL,
    volume_usd  numeric NOT NULL,
    fees_usd    numeric NOT NULL,
    built_at_ms bigint NOT NULL,
    PRIMARY KEY (platform, span, measure, rank)
);
COMMENT ON TABLE platform_leaders IS 'the first thousand per platform, span and measure over all chains, rebuilt with the leaderboards';

CREATE VIEW platform_leaders_v1 AS
SELECT platform, span, measure, rank, trader, swaps, unvalued, volume_usd, fees_usd, built_at_ms FROM platform_leaders;
