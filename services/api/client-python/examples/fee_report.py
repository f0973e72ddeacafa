"""What a platform earned, by day, and who paid most: `python fee_report.py http://127.0.0.1:8080 NAME [--follow]`.

With --follow it goes on with each trade of the platform as it comes, and subtracts what a reorg takes back.
"""

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chaintape_client import ProblemError, Rest, Stream, items


async def report(base: str, platform: str) -> None:
    async with Rest(base) as api:
        sums = await api.get_platform(platform)
        print(f"{platform}: {sums['users']} users, {sums['swaps']} swaps, volume {usd(sums['volumeUsd'])}, fees {usd(sums['feesUsd'])}")
        async for day in items(api.list_platform_days, platform, limit=500):
            date = datetime.fromtimestamp(day["at"] / 1000, UTC).date()
            print(f"  {date} {day['chain']:<12} {day['users']:>6} users  fees {usd(day['feesUsd']):>14}")
        board = await api.get_platform_leaderboard(platform, by="fees", window="30d", limit=5)
        for place in board["items"]:
            print(f"  {place['rank']}. {place['address']} paid {usd(place['feesUsd'])}")


async def follow(base: str, platform: str) -> None:
    earned: dict[tuple[str, str], Decimal] = {}
    async with Stream(base) as stream:
        async for message in await stream.subscribe("trades", {"platform": platform}, limit=0):
            if message["type"] == "error":
                print(f"{message['code']}: {message['detail']}", file=sys.stderr)
            if message["type"] not in ("apply", "revert"):
                continue
            trade: dict[str, Any] = message["data"]
            key = trade["tradeId"], trade["trader"]["address"]
            # A trade may be applied again when it is final: kept by its name, it counts once.
            if message["type"] == "apply":
                earned[key] = Decimal((trade.get("valuation") or {}).get("feeUsd") or 0)
            else:
                earned.pop(key, None)
            print(f"{message['type']:<6} {key[0]} – earned since the start: {usd(str(sum(earned.values())))}")


def usd(text: str) -> str:
    return f"${Decimal(text):,.2f}"


if __name__ == "__main__":
    try:
        asyncio.run(report(*sys.argv[1:3]))
        if "--follow" in sys.argv:
            asyncio.run(follow(*sys.argv[1:3]))
    except ProblemError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        pass
