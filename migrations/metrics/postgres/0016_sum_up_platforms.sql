-- What platforms are used for and what they earn, by user and hour, by day, and by day and asset.
--
-- Decisions
-- * 2026-11-29: as the flows of 0013, these are calculated again from the live trades of the hours that changed, by whoever
--   rebuilds the leaderboards, and replaced as a whole: they are exact under reorgs, and a trade costs nothing for them while
--   the tape is folded. Price: they are behind the book by up to half a minute.
-- * Days and the sums of a platform are kept, so that nobody adds up its users' hours to read them; the users of a platform are
--   a table, because who comes on two days is one user. A day is summed up once per rebuilding, however many of its hours
--   were calculated for it.

CREATE TABLE platform_hours (
    trader     text COLLATE "C" NOT NULL,
    chain      text COLLATE "C" NOT NULL,
    hour       bigint NOT NULL,
    platform   text COLLATE "C" NOT NULL,
    asset      text COLLATE "C" NOT NULL,
    swaps      bigint NOT NULL,
    unvalued   bigint NOT NULL,
    volume_usd numeric NOT NULL,
    fees_usd   numeric NOT NULL,
    PRIMARY KEY (trader, chain, hour, platform, asset)
);
COMMENT ON COLUMN platform_hours.asset IS 'empty for all trades, each counted once; else of those that sold or bought this asset';
CREATE INDEX platform_hours_of_platform ON platform_hours (platform, chain, hour);

CREATE TABLE platform_changes (
    platform text COLLATE "C" NOT NULL,
    chain    text COLLATE "C" NOT NULL,
    day      bigint NOT NULL,
    PRIMARY KEY (platform, chain, day)
);
COMMENT ON TABLE platform_changes IS 'days that must be summed up again';

CREATE TABLE platform_days (
    platform   text COLLATE "C" NOT NULL,
    day        bigint NOT NULL,
    chain      text COLLATE "C" NOT NULL,
    asset      text COLLATE "C" NOT NULL,
    users      bigint NOT NULL,
    swaps      bigint NOT NULL,
    unvalued   bigint NOT NULL,
    volume_usd numeric NOT NULL,
    fees_usd   numeric NOT NULL,
    PRIMARY KEY (platform, day, chain, asset)
);
COMMENT ON COLUMN platform_days.day IS 'days since 1970-01-01, UTC, of the block';
COMMENT ON COLUMN platform_days.users IS 'how many addresses traded through the platform on this chain';
-- The days of a platform are listed without their assets.
CREATE INDEX platform_days_in_all ON platform_days (platform, day DESC, chain) WHERE asset = '';

CREATE TABLE platform_users (
    platform text COLLATE "C" NOT NULL,
    trader   text COLLATE "C" NOT NULL,
    PRIMARY KEY (platform, trader)
);

CREATE TABLE platforms (
    platform   text COLLATE "C" PRIMARY KEY,
    users      bigint NOT NULL,
    swaps      bigint NOT NULL,
    unvalued   bigint NOT NULL,
    volume_usd numeric NOT NULL,
    fees_usd   numeric NOT NULL
);
COMMENT ON TABLE platforms IS 'the sums of platform_days, and how many addresses ever traded through the platform';

-- The hours in which platforms were used already are calculated with the first rebuilding.
INSERT INTO leader_changes (trader, chain, hour, changes)
SELECT DISTINCT trader, chain, block_time_ms / 3600000, 1 FROM trades
WHERE platform IS NOT NULL AND block_time_ms / 3600000 * 3600000 >= (SELECT cut_ms FROM retention)
ON CONFLICT (trader, chain, hour) DO UPDATE SET changes = leader_changes.changes + 1;

CREATE VIEW platforms_v1 AS
SELECT platform, users, swaps, unvalued, volume_usd, fees_usd FROM platforms;

CREATE VIEW platform_days_v1 AS
SELECT platform, day, chain, asset, users, swaps, unvalued, volume_usd, fees_usd FROM platform_days;

CREATE VIEW user_platforms_v1 AS
SELECT trader, chain, hour, platform, swaps, unvalued, volume_usd, fees_usd FROM platform_hours WHERE asset = '';
