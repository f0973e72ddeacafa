"""The stream client against a scripted server: it asks again after a loss, goes on from the last `at`, and knows when not to."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from chaintape_client import Stream, stream

HELLO = {"type": "hello", "version": "v1", "heartbeatMs": 15000, "maxSubscriptions": 32}
WAIT_SECONDS = 10


class Scripted:
    """One connection of the server, as the test drives it."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.ended = asyncio.Event()

    async def deliver(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def heard(self) -> Any:
        return json.loads(await asyncio.wait_for(self.connection.recv(), WAIT_SECONDS))

    async def lose(self) -> None:
        self.ended.set()
        await self.connection.wait_closed()


def scripted(test: Callable[[Stream, Callable[[], Awaitable[Scripted]]], Awaitable[None]]) -> Callable[[], None]:
    """Runs a test with a client and a function that awaits the next connection, greeted already."""

    async def run() -> None:
        connections: asyncio.Queue[Scripted] = asyncio.Queue()

        async def handle(connection: ServerConnection) -> None:
            one = Scripted(connection)
            await one.deliver(**HELLO)
            await connections.put(one)
            ends = [asyncio.create_task(one.ended.wait()), asyncio.create_task(connection.wait_closed())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            ends[0].cancel()

        async def following() -> Scripted:
            return await asyncio.wait_for(connections.get(), WAIT_SECONDS)

        async with serve(handle, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with Stream(f"http://127.0.0.1:{port}") as client:
                await test(client, following)

    def wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream, "RETRY_AFTER_ERROR_SECONDS", 0.01)
        asyncio.run(run())

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped  # type: ignore[return-value]


async def received(subscription: stream.Subscription, count: int) -> list[stream.Message]:
    messages = aiter(subscription)
    return [await asyncio.wait_for(anext(messages), WAIT_SECONDS) for _ in range(count)]


@scripted
async def test_after_a_loss_it_resumes_from_the_last_place(client: Stream, following: Any) -> None:
    tape = await client.subscribe("trades", {"chain": "mock"}, id="tape", limit=3)
    one = await following()
    asked = {"op": "subscribe", "id": "tape", "channel": "trades", "filter": {"chain": "mock"}, "limit": 3}
    assert await one.heard() == asked
    await one.deliver(type="apply", channel="trades", data={}, at="a0")
    await one.deliver(type="snapshot", id="tape", channel="trades", data={"items": []}, at="a1")
    await one.deliver(type="apply", channel="trades", data={}, at="a2", ids=["tape"])
    assert [message["type"] for message in await received(tape, 2)] == ["snapshot", "apply"]
    await one.lose()
    two = await following()
    assert await two.heard() == {**asked, "resume": "a2"}
    await two.deliver(type="resumed", id="tape", at="a2")
    await two.deliver(type="revert", channel="trades", data={}, at="a3", ids=["tape"])
    assert [message["type"] for message in await received(tape, 2)] == ["resumed", "revert"]
    await two.lose()
    three = await following()
    assert (await three.heard())["resume"] == "a3"
    await three.deliver(type="reset", id="tape")
    await three.deliver(type="snapshot", id="tape", channel="trades", data={"items": []}, at="a9")
    await three.deliver(type="gap", channel="trades", missed=812)
    assert [message["type"] for message in await received(tape, 2)] == ["snapshot", "gap"]
    assert "resume" not in await three.heard(), "what was missed lies below the last place"


@scripted
async def test_a_change_reaches_those_that_it_names_and_moves_the_place_of_all(client: Stream, following: Any) -> None:
    tape = await client.subscribe("trades", id="tape")
    other = await client.subscribe("trades", {"chain": "other"}, id="other")
    one = await following()
    assert [(await one.heard())["id"], (await one.heard())["id"]] == ["tape", "other"]
    for name in ["tape", "other"]:
        await one.deliver(type="snapshot", id=name, channel="trades", data={"items": []}, at="a1")
    await one.deliver(type="apply", channel="trades", data={}, at="a2", ids=["tape"])
    await one.deliver(type="apply", channel="trades", data={}, at="a3", ids=["other", "tape"])
    assert [message["at"] for message in await received(tape, 3)] == ["a1", "a2", "a3"]
    assert [message["at"] for message in await received(other, 2)] == ["a1", "a3"]
    assert tape.at == other.at == "a3"
    await other.close()
    assert await one.heard() == {"op": "unsubscribe", "id": "other"}
    assert [message async for message in other] == [], "what has ended is iterated to its end"


@scripted
async def test_an_error_that_passes_is_asked_again(client: Stream, following: Any) -> None:
    me = await client.subscribe("user.metrics", {"address": "0xa"})
    one = await following()
    asked = await one.heard()
    await one.deliver(type="error", id="user.metrics", code="behind", detail="ask again later")
    assert await one.heard() == asked
    await one.deliver(type="error", id="user.metrics", code="bad-message", field="filter.address", detail="is no address")
    assert [message["code"] for message in await received(me, 2)] == ["behind", "bad-message"]
