-- What platforms are used for and what they earn, as in postgres/0016, whose comments hold here too.

CREATE TABLE platform_hours (
    trader     text NOT NULL,
    chain      text NOT NULL,
    hour       integer NOT NULL,
    platform   text NOT NULL,
    asset      text NOT NULL,
    swaps      integer NOT NULL,
    unvalued   integer NOT NULL,
    volume_usd text NOT NULL,
    fees_usd   text NOT NULL,
    PRIMARY KEY (trader, chain, hour, platform, asset)
);
CREATE INDEX platform_hours_of_platform ON platform_hours (platform, chain, hour);

CREATE TABLE platform_changes (
    platform text NOT NULL,
    chain    text NOT NULL,
    day      integer NOT NULL,
    PRIMARY KEY (platform, chain, day)
);

CREATE TABLE platform_days (
    platform   text NOT NULL,
    day        integer NOT NULL,
    chain      text NOT NULL,
    asset      text NOT NULL,
    users      integer NOT NULL,
    swaps      integer NOT NULL,
    unvalued   integer NOT NULL,
    volume_usd text NOT NULL,
    fees_usd   text NOT NULL,
    PRIMARY KEY (platform, day, chain, asset)
);
-- The days of a platform are listed without their assets.
CREATE INDEX platform_days_in_all ON platform_days (platform, day DESC, chain) WHERE asset = '';

CREATE TABLE platform_users (
    platform text NOT NULL,
    trader   text NOT NULL,
    PRIMARY KEY (platform, trader)
);

CREATE TABLE platforms (
    platform   text PRIMARY KEY,
    users      integer NOT NULL,
    swaps      integer NOT NULL,
    unvalued   integer NOT NULL,
    volume_usd text NOT NULL,
    fees_usd   text NOT NULL
);

-- The hours in which platforms were used already are calculated with the first rebuilding.
INSERT INTO leader_changes (trader, chain, hour, changes)
SELECT DISTINCT trader, chain, block_time_ms / 3600000, 1 FROM trades
WHERE platform IS NOT NULL AND block_time_ms / 3600000 * 3600000 >= (SELECT cut_ms FROM retention)
ON CONFLICT (trader, chain, hour) DO UPDATE SET changes = changes + 1;

CREATE VIEW platforms_v1 AS
SELECT platform, users, swaps, unvalued, volume_usd, fees_usd FROM platforms;

CREATE VIEW platform_days_v1 AS
SELECT platform, day, chain, asset, users, swaps, unvalued, volume_usd, fees_usd FROM platform_days;

CREATE VIEW user_platforms_v1 AS
SELECT trader, chain, hour, platform, swaps, unvalued, volume_usd, fees_usd FROM platform_hours WHERE asset = '';
