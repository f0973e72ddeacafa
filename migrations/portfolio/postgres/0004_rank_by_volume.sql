-- What each wallet traded in all, in whole US cents; kept where wallets are tracked by it (`PORTFOLIO_TRACK=top:N`).

CREATE TABLE volumes (
    chain text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    cents bigint NOT NULL,
    PRIMARY KEY (chain, address)
);
CREATE INDEX volumes_by_cents ON volumes (cents DESC, chain, address);
