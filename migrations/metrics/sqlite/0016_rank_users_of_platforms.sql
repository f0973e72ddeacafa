-- The leaderboards of platforms, as in postgres/0018, whose comments hold here too.

CREATE TABLE platform_leaders (
    platform    text NOT NULL,
    span        text NOT NULL,
    measure     text NOT NULL,
    rank        integer NOT NULL,
    trader      text NOT NULL,
    swaps       integer NOT NULL,
    unvalued    integer NOT NULL,
    volume_usd  text NOT NULL,
    fees_usd    text NOT NULL,
    built_at_ms integer NOT NULL,
    PRIMARY KEY (platform, span, measure, rank)
);

CREATE VIEW platform_leaders_v1 AS
SELECT platform, span, measure, rank, trader, swaps, unvalued, volume_usd, fees_usd, built_at_ms FROM platform_leaders;
