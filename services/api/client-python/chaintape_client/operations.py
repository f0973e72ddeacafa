"""A method for each operation of the api, generated from openapi.json by generate.py."""

from typing import Any, Mapping, cast

from . import schema


class Operations:
    """The operations; `Rest` sends them."""

    async def _get(self, path: str, places: Mapping[str, str], query: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    async def get_health(self) -> schema.Liveness:
        """Says that this process is alive."""
        answer = await self._get("/health", {}, {})
        return cast(schema.Liveness, answer)

    async def get_readiness(self) -> schema.Readiness:
        """Says whether this process can serve: whether the database can be read."""
        answer = await self._get("/ready", {}, {})
        return cast(schema.Readiness, answer)

    async def search_assets(
        self,
        *,
        search: str,
        chain: str | None = None,
    ) -> schema.AssetList:
        """Assets by the beginning of their ticker or by their id, those with the largest volume first."""
        answer = await self._get("/v1/assets", {}, {"search": search, "chain": chain})
        return cast(schema.AssetList, answer)

    async def get_asset(self, chain: str, asset: str) -> schema.AssetDetailsView:
        """One asset: its price, the last 24 hours and its pools."""
        answer = await self._get("/v1/assets/{chain}/{asset}", {"chain": chain, "asset": asset}, {})
        return cast(schema.AssetDetailsView, answer)

    async def list_candles(
        self, chain: str, asset: str,
        *,
        interval: str | None = None,
        from_: int | None = None,
        to: int | None = None,
    ) -> schema.CandleList:
        """The candles of one asset in US dollars, oldest first."""
        answer = await self._get("/v1/assets/{chain}/{asset}/candles", {"chain": chain, "asset": asset}, {"interval": interval, "from": from_, "to": to})
        return cast(schema.CandleList, answer)

    async def get_book(self) -> schema.BookView:
        """The rules by which the figures of all users are calculated: cost method and what is cash."""
        answer = await self._get("/v1/book", {}, {})
        return cast(schema.BookView, answer)

    async def list_chains(self) -> schema.ChainList:
        """Lists the chains that are followed."""
        answer = await self._get("/v1/chains", {}, {})
        return cast(schema.ChainList, answer)

    async def get_leaderboard(
        self,
        *,
        by: str | None = None,
        window: str | None = None,
        min_coverage: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.Leaderboard:
        """The first traders by volume, net volume, realized profit or fees, over all chains."""
        answer = await self._get("/v1/leaderboard", {}, {"by": by, "window": window, "minCoverage": min_coverage, "cursor": cursor, "limit": limit})
        return cast(schema.Leaderboard, answer)

    async def list_platforms(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.PlatformPage:
        """Lists the platforms that trades belong to, with their figures over all time and chains, by name."""
        answer = await self._get("/v1/platforms", {}, {"cursor": cursor, "limit": limit})
        return cast(schema.PlatformPage, answer)

    async def get_platform(self, platform: str) -> schema.PlatformView:
        """Shows one platform with its figures over all time and chains."""
        answer = await self._get("/v1/platforms/{platform}", {"platform": platform}, {})
        return cast(schema.PlatformView, answer)

    async def list_platform_assets(
        self, platform: str,
        *,
        at: int | None = None,
        chain: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.PlatformAssetPage:
        """The assets that were traded through a platform on one day, by chain and asset."""
        answer = await self._get("/v1/platforms/{platform}/assets", {"platform": platform}, {"at": at, "chain": chain, "cursor": cursor, "limit": limit})
        return cast(schema.PlatformAssetPage, answer)

    async def list_platform_days(
        self, platform: str,
        *,
        chain: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.PlatformDayPage:
        """What a platform was used for by day and chain, newest first."""
        answer = await self._get("/v1/platforms/{platform}/days", {"platform": platform}, {"chain": chain, "cursor": cursor, "limit": limit})
        return cast(schema.PlatformDayPage, answer)

    async def list_platform_fees(
        self, platform: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.FeePage:
        """What a platform earned by day, over all users and chains, newest first."""
        answer = await self._get("/v1/platforms/{platform}/fees", {"platform": platform}, {"cursor": cursor, "limit": limit})
        return cast(schema.FeePage, answer)

    async def get_platform_leaderboard(
        self, platform: str,
        *,
        by: str | None = None,
        window: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.PlatformLeaderboard:
        """The first users of a platform by volume or by the fees that they paid it, over all chains."""
        answer = await self._get("/v1/platforms/{platform}/leaderboard", {"platform": platform}, {"by": by, "window": window, "cursor": cursor, "limit": limit})
        return cast(schema.PlatformLeaderboard, answer)

    async def list_trades(
        self,
        *,
        chain: str | None = None,
        trader: str | None = None,
        asset: str | None = None,
        venue: str | None = None,
        pool: str | None = None,
        platform: str | None = None,
        kind: str | None = None,
        min_usd: str | None = None,
        tx: str | None = None,
        from_: int | None = None,
        to: int | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.TradePage:
        """Lists trades, newest first by block time, chain, height, transaction index and ordinal."""
        answer = await self._get("/v1/trades", {}, {"chain": chain, "trader": trader, "asset": asset, "venue": venue, "pool": pool, "platform": platform, "kind": kind, "minUsd": min_usd, "tx": tx, "from": from_, "to": to, "status": status, "cursor": cursor, "limit": limit})
        return cast(schema.TradePage, answer)

    async def get_trade(self, trade_id: str) -> schema.TradeExecutedV1:
        """Shows one trade, live or reverted; its `status` says which."""
        answer = await self._get("/v1/trades/{tradeId}", {"tradeId": trade_id}, {})
        return cast(schema.TradeExecutedV1, answer)

    async def list_transaction_trades(
        self, chain: str, hash: str,
        *,
        status: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.TradePage:
        """Lists the trades of one transaction, live and reverted; the `status` of each says which."""
        answer = await self._get("/v1/transactions/{chain}/{hash}", {"chain": chain, "hash": hash}, {"status": status, "cursor": cursor, "limit": limit})
        return cast(schema.TradePage, answer)

    async def list_user_drift(
        self, address: str,
        *,
        chain: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.DriftPage:
        """How far a provider's balances differ from the sum of one user's trades, by chain and asset."""
        answer = await self._get("/v1/users/{address}/drift", {"address": address}, {"chain": chain, "cursor": cursor, "limit": limit})
        return cast(schema.DriftPage, answer)

    async def list_user_fees(
        self, address: str,
        *,
        chain: str | None = None,
        platform: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.FeePage:
        """One user's fees by day, chain and platform, newest first."""
        answer = await self._get("/v1/users/{address}/fees", {"address": address}, {"chain": chain, "platform": platform, "cursor": cursor, "limit": limit})
        return cast(schema.FeePage, answer)

    async def get_user_history(
        self, address: str,
        *,
        chain: str | None = None,
        window: str | None = None,
    ) -> schema.UserHistory:
        """What happened to one user over time: volume, fees and realized profit and loss by the hour or day."""
        answer = await self._get("/v1/users/{address}/history", {"address": address}, {"chain": chain, "window": window})
        return cast(schema.UserHistory, answer)

    async def get_user_metrics(
        self, address: str,
        *,
        chain: str | None = None,
        window: str | None = None,
    ) -> schema.UserMetrics:
        """One user's volume, fees and realized profit and loss, per chain and in all, over one address or several."""
        answer = await self._get("/v1/users/{address}/metrics", {"address": address}, {"chain": chain, "window": window})
        return cast(schema.UserMetrics, answer)

    async def list_user_platforms(
        self, address: str,
        *,
        chain: str | None = None,
        platform: str | None = None,
        window: str | None = None,
    ) -> schema.UserPlatforms:
        """What one user used platforms for, by platform and chain."""
        answer = await self._get("/v1/users/{address}/platforms", {"address": address}, {"chain": chain, "platform": platform, "window": window})
        return cast(schema.UserPlatforms, answer)

    async def get_user_portfolio(
        self, address: str,
        *,
        chain: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.Portfolio:
        """One user's balances as a provider reports them, by chain and asset."""
        answer = await self._get("/v1/users/{address}/portfolio", {"address": address}, {"chain": chain, "cursor": cursor, "limit": limit})
        return cast(schema.Portfolio, answer)

    async def list_user_positions(
        self, address: str,
        *,
        chain: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.PositionPage:
        """One user's positions, by chain and asset."""
        answer = await self._get("/v1/users/{address}/positions", {"address": address}, {"chain": chain, "cursor": cursor, "limit": limit})
        return cast(schema.PositionPage, answer)

    async def explain_position(
        self, address: str, chain: str, asset: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.Explanation:
        """The trades that a position's figures are made of, oldest first."""
        answer = await self._get("/v1/users/{address}/positions/{chain}/{asset}/explain", {"address": address, "chain": chain, "asset": asset}, {"cursor": cursor, "limit": limit})
        return cast(schema.Explanation, answer)

    async def list_user_trades(
        self, address: str,
        *,
        chain: str | None = None,
        asset: str | None = None,
        venue: str | None = None,
        pool: str | None = None,
        platform: str | None = None,
        kind: str | None = None,
        min_usd: str | None = None,
        tx: str | None = None,
        from_: int | None = None,
        to: int | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> schema.TradePage:
        """Lists one user's trades, newest first."""
        answer = await self._get("/v1/users/{address}/trades", {"address": address}, {"chain": chain, "asset": asset, "venue": venue, "pool": pool, "platform": platform, "kind": kind, "minUsd": min_usd, "tx": tx, "from": from_, "to": to, "status": status, "cursor": cursor, "limit": limit})
        return cast(schema.TradePage, answer)

    async def get_user_worth(
        self, address: str,
        *,
        chain: str | None = None,
    ) -> schema.UserWorth:
        """What one user holds in US dollars: by the trades, with unrealized and realized profit and loss, and by the balances that
providers tell."""
        answer = await self._get("/v1/users/{address}/worth", {"address": address}, {"chain": chain})
        return cast(schema.UserWorth, answer)

    async def get_user_worth_history(
        self, address: str,
        *,
        chain: str | None = None,
        days: int | None = None,
    ) -> schema.WorthHistory:
        """What one user's wallets were worth in US dollars at the end of each day, by the balances that providers tell."""
        answer = await self._get("/v1/users/{address}/worth/history", {"address": address}, {"chain": chain, "days": days})
        return cast(schema.WorthHistory, answer)
