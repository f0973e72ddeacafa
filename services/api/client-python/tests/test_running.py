"""Both halves of the client against a running `chaintape` on a mock chain (CHAINTAPE_BIN, PLUGINS_DIR): typed answers, pages,
problems, trades and reverts as they come, and a stream that goes on after the api was killed."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chaintape_client import ProblemError, Rest, Stream, items

ROOT = Path(__file__).parents[4]
ADDRESS = os.environ.get("CLIENT_TEST_ADDR", "127.0.0.1:18093")
BASE = f"http://{ADDRESS}"
READY_SECONDS = 120
CHAIN = """id = "mock"
plugin = "mock"
endpoints = []
start = "latest"
poll_ms = 100

[settings]
block-ms = 500
trades-per-block = 3
users = 12
reorg-every = 8
reorg-depth = 3
finality = 16

[settings.platforms.shop]
routers = ["mock:shop:router"]
fee-recipient = "mock:shop:fees"
fee-bps = 50
one-in = 2
"""


class Program:
    """The program with what it keeps in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "chains").mkdir()
        (folder / "chains/mock.toml").write_text(CHAIN)
        # Only the plugin that is needed: each is compiled when the program starts.
        (folder / "plugins").mkdir()
        for plugin in Path(os.environ.get("PLUGINS_DIR", ROOT / "target/plugins")).glob("mock-*.wasm"):
            shutil.copy(plugin, folder / "plugins")
        self.start()

    def start(self) -> None:
        binary = os.environ.get("CHAINTAPE_BIN", str(ROOT / "target/debug/chaintape"))
        own = {
            "APP_ENV": "dev",
            "API_ADDR": ADDRESS,
            "API_RATE_PER_SECOND": "0",
            "CHAINS_DIR": str(self.folder / "chains"),
            "PLUGINS_DIR": str(self.folder / "plugins"),
            "PORTFOLIO_PROVIDER": "mock",
            "PORTFOLIO_TRACK": "all",
            "LOG": f"sqlite:{self.folder / 'tape.db'}",
            "DATABASE_URL": f"sqlite:{self.folder}",
        }
        self.process = subprocess.Popen([binary], env={**os.environ, **own}, cwd=ROOT, stdout=subprocess.DEVNULL)
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            try:
                if httpx.get(f"{BASE}/ready").is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"chaintape was not ready within {READY_SECONDS} s")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    running = Program(tmp_path_factory.mktemp("chaintape"))
    yield running
    running.kill()


def test_rest_is_typed_and_pages_are_walked(program: Program) -> None:
    async def run() -> None:
        async with Rest(BASE) as api:
            while not (await api.list_platforms())["items"]:
                await asyncio.sleep(0.2)
            trades = [trade async for trade in items(api.list_trades, chain="mock", limit=2)]
            assert len(trades) >= 2 and len({trade["tradeId"] for trade in trades}) == len(trades)
            trader = trades[0]["trader"]["address"]
            metrics = await api.get_user_metrics(trader, window="24h")
            assert metrics["address"] == trader and metrics["total"]["swaps"] >= 1
            two = await api.get_user_metrics(f"{trader},{trades[1]['trader']['address']}")
            assert two["total"]["swaps"] >= metrics["total"]["swaps"]
            board = await api.get_platform_leaderboard("shop", by="fees")
            assert board["items"][0]["rank"] == 1 and float(board["items"][0]["feesUsd"]) > 0
            with pytest.raises(ProblemError, match="no such chain is followed") as refused:
                await api.list_trades(chain="mokc")
            assert (refused.value.status, refused.value.problem["field"]) == (400, "chain")
            book = await api.get_book()
            assert await api.get_book() is book, "an answer that has not changed is not sent again"

    asyncio.run(asyncio.wait_for(run(), READY_SECONDS))


def test_trades_come_and_go_and_the_stream_outlives_the_api(program: Program) -> None:
    async def run() -> None:
        present: set[tuple[str, str]] = set()
        seen: list[str] = []
        async with Stream(BASE) as stream, Rest(BASE) as api:
            tape = await stream.subscribe("trades", {"chain": "mock"}, limit=200)
            killed = False
            async for message in tape:
                seen.append(message["type"])
                if message["type"] == "snapshot":
                    present = {key(trade) for trade in message["data"]["items"]}
                elif message["type"] == "apply":
                    present.add(key(message["data"]))
                elif message["type"] == "revert":
                    present.discard(key(message["data"]))
                if not killed and "revert" in seen:
                    killed, seen = True, []
                    program.kill()
                    await asyncio.to_thread(program.start)
                if killed and "revert" in seen and ("resumed" in seen or "snapshot" in seen):
                    break
            # The stream is ahead of what is folded, so what it brought is in REST a moment later.
            assert present
            while not present <= {key(one) async for one in items(api.list_trades, chain="mock", limit=500, status="all")}:
                await asyncio.sleep(0.2)

    asyncio.run(asyncio.wait_for(run(), 2 * READY_SECONDS))


def key(trade: dict) -> tuple[str, str]:  # type: ignore[type-arg]
    return trade["tradeId"], trade["trader"]["address"]


def test_the_example_reports_what_a_platform_earned(program: Program) -> None:
    example = Path(__file__).parents[1] / "examples/fee_report.py"
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and not httpx.get(f"{BASE}/v1/platforms").json()["items"]:
        time.sleep(0.2)
    told = subprocess.run([sys.executable, example, BASE, "shop"], capture_output=True, text=True, timeout=READY_SECONDS)
    assert told.returncode == 0, told.stderr
    assert "shop" in told.stdout and "mock" in told.stdout and "fees" in told.stdout, told.stdout
    assert len(example.read_text().splitlines()) <= 60
