"""The stream: one WebSocket for every subscription, reconnected when it is lost. Each subscription resumes from the last `at`
that it received; where the api cannot resume from there, it sends `reset` and a new snapshot."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Literal, Mapping, Self, TypedDict

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

FIRST_WAIT_SECONDS = 0.4
LONGEST_WAIT_SECONDS = 15.0
# The server sends a heartbeat every 15 seconds; after this long without a message the connection counts as lost.
SILENCE_SECONDS = 40.0
RETRY_AFTER_ERROR_SECONDS = 2.0
# Messages that wait for the program; while there are so many, nothing more is read from the connection.
MAX_WAITING_MESSAGES = 1_024
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
PASSING_ERRORS = ("starting", "behind", "unavailable", "too-fast")


class _Typed(TypedDict):
    type: Literal["snapshot", "apply", "revert", "update", "resumed", "gap", "error"]


class Message(_Typed, total=False):
    """What a subscriber receives; which fields there are depends on `type`, as /asyncapi.json says."""

    id: str
    ids: list[str]
    channel: str
    data: Any
    at: str
    missed: int
    code: str
    field: str
    detail: str


class Subscription:
    """One subscription: iterate over it for its messages, the snapshot first. `close` ends it."""

    def __init__(self, stream: "Stream", request: dict[str, Any]) -> None:
        self._stream = stream
        self._request = request
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(MAX_WAITING_MESSAGES)
        # Whether it has received its snapshot or was resumed: changes before that are ignored.
        self._ready = False
        self.at: str | None = None

    @property
    def id(self) -> str:
        """Its name on the connection."""
        return str(self._request["id"])

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self._messages.get()) is not None:
            yield message

    async def close(self) -> None:
        """Ends it; what waits is dropped."""
        await self._stream._end(self)


class Stream:
    """A WebSocket of one api. Use it as `async with Stream(base) as stream:`."""

    def __init__(self, base: str, *, api_key: str | None = None) -> None:
        self._url = base.rstrip("/").replace("http", "ws", 1) + "/v1/stream"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._wanted: dict[str, Subscription] = {}
        self._connection: ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None
        self._retries: set[asyncio.Task[None]] = set()
        self._wait = FIRST_WAIT_SECONDS

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in [self._running, *self._retries] if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for wanted in self._wanted.values():
            _wake(wanted)

    async def subscribe(
        self, channel: str, filter: Mapping[str, str] | None = None, *, id: str | None = None, limit: int | None = None
    ) -> Subscription:
        """Subscribes to a channel; `id` names the subscription, by default like the channel."""
        request: dict[str, Any] = {"op": "subscribe", "id": id or channel, "channel": channel, "filter": dict(filter or {})}
        if limit is not None:
            request["limit"] = limit
        wanted = Subscription(self, request)
        if before := self._wanted.get(wanted.id):
            _wake(before)
        self._wanted[wanted.id] = wanted
        await self._say(request)
        return wanted

    async def _end(self, wanted: Subscription) -> None:
        if self._wanted.get(wanted.id) is wanted:
            del self._wanted[wanted.id]
            await self._say({"op": "unsubscribe", "id": wanted.id})
        _wake(wanted)

    async def _run(self) -> None:
        while True:
            try:
                async with connect(
                    self._url, additional_headers=self._headers, max_size=MAX_MESSAGE_BYTES, ping_interval=None
                ) as connection:
                    await self._listen(connection)
            except (OSError, TimeoutError, WebSocketException):
                pass
            self._connection = None
            for wanted in self._wanted.values():
                wanted._ready = False
            await asyncio.sleep(self._wait * (0.5 + random.random() / 2))
            self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)

    async def _listen(self, connection: ClientConnection) -> None:
        while True:
            text = await asyncio.wait_for(connection.recv(), SILENCE_SECONDS)
            message = json.loads(text)
            if message["type"] == "hello":
                self._wait = FIRST_WAIT_SECONDS
                self._connection = connection
                for wanted in list(self._wanted.values()):
                    await self._ask(wanted)
            else:
                await self._hear(message)

    async def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "snapshot" | "resumed":
                if wanted := self._wanted.get(message["id"]):
                    wanted._ready, wanted.at = True, message["at"]
                    await _deliver(wanted, message)
            case "reset":
                if wanted := self._wanted.get(message["id"]):
                    wanted._ready, wanted.at = False, None
            case "apply" | "revert" | "update":
                # Who received a message has received everything of the channel below its `at`, whatever the filter.
                for wanted in self._of(message["channel"]):
                    wanted.at = message["at"]
                    if wanted.id in message.get("ids", [wanted.id]):
                        await _deliver(wanted, message)
            case "gap":
                # Resuming would not deliver what was missed: `at` is beyond it.
                for wanted in self._of(message["channel"]):
                    wanted.at = None
                    await _deliver(wanted, message)
                    await self._ask(wanted)
            case "error":
                if wanted := self._wanted.get(message.get("id", "")):
                    await _deliver(wanted, message)
                    if message["code"] in PASSING_ERRORS:
                        retry = asyncio.create_task(self._ask_later(wanted))
                        self._retries.add(retry)
                        retry.add_done_callback(self._retries.discard)

    async def _ask_later(self, wanted: Subscription) -> None:
        await asyncio.sleep(RETRY_AFTER_ERROR_SECONDS)
        if self._wanted.get(wanted.id) is wanted:
            await self._ask(wanted)

    async def _ask(self, wanted: Subscription) -> None:
        await self._say(wanted._request if wanted.at is None else {**wanted._request, "resume": wanted.at})

    async def _say(self, request: Mapping[str, Any]) -> None:
        """Sends a request; without a connection, or when it is just lost, it is sent again once there is one."""
        if self._connection:
            try:
                await self._connection.send(json.dumps(request))
            except WebSocketException:
                return

    def _of(self, channel: str) -> list[Subscription]:
        return [one for one in self._wanted.values() if one._ready and one._request["channel"] == channel]


async def _deliver(wanted: Subscription, message: dict[str, Any]) -> None:
    delivered: Message = message  # type: ignore[assignment]
    await wanted._messages.put(delivered)


def _wake(wanted: Subscription) -> None:
    """Ends the iteration over a subscription, and lets go whoever waits to deliver."""
    while not wanted._messages.empty():
        wanted._messages.get_nowait()
    wanted._messages.put_nowait(None)
