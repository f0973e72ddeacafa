"""REST: every operation is a method, typed by the OpenAPI document. Answers that have not changed are not sent again."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Mapping, Self
from urllib.parse import quote

import httpx

from .operations import Operations

REQUEST_TIMEOUT_SECONDS = 15.0
MAX_KNOWN_ANSWERS = 64


class ProblemError(Exception):
    """A problem document, raised. `retry_after` has the seconds after which a retry may succeed."""

    def __init__(self, problem: Mapping[str, Any], status: int, retry_after: float | None) -> None:
        super().__init__(f"{problem.get('title', 'Error')}: {problem.get('detail', 'no reason was given')}")
        self.problem = problem
        self.status = status
        self.retry_after = retry_after


class Rest(Operations):
    """Reads from one api. Use it as `async with Rest(base) as api:`; integers are exact, amounts are decimal texts."""

    def __init__(self, base: str, *, api_key: str | None = None, client: httpx.AsyncClient | None = None) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = client or httpx.AsyncClient(base_url=base, headers=headers, timeout=REQUEST_TIMEOUT_SECONDS)
        self._known: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _get(self, path: str, places: Mapping[str, str], query: Mapping[str, Any]) -> Any:
        for name, value in places.items():
            path = path.replace("{" + name + "}", quote(value, safe=""))
        asked = {name: value for name, value in query.items() if value is not None}
        request = self._client.build_request("GET", path, params=asked)
        known = self._known.get(str(request.url))
        if known:
            request.headers["if-none-match"] = known[0]
        response = await self._client.send(request)
        if response.status_code == httpx.codes.NOT_MODIFIED and known:
            return known[1]
        if not response.is_success:
            raise _problem(response)
        answer = response.json()
        if tag := response.headers.get("etag"):
            self._keep(str(request.url), tag, answer)
        return answer

    def _keep(self, url: str, tag: str, answer: Any) -> None:
        self._known[url] = (tag, answer)
        self._known.move_to_end(url)
        if len(self._known) > MAX_KNOWN_ANSWERS:
            self._known.popitem(last=False)


async def items(list_page: Callable[..., Awaitable[Any]], *places: str, **query: Any) -> AsyncIterator[Any]:
    """Every item of a list, page after page: `items(api.list_trades, chain="mock")`."""
    cursor: str | None = None
    while True:
        page = await list_page(*places, **query, cursor=cursor)
        for item in page["items"]:
            yield item
        cursor = page.get("next")
        if not cursor:
            return


def _problem(response: httpx.Response) -> ProblemError:
    try:
        problem = response.json()
    except ValueError:
        problem = {"title": response.reason_phrase or "Error"}
    if not isinstance(problem, dict):
        problem = {"title": response.reason_phrase or "Error"}
    after = response.headers.get("retry-after", "")
    return ProblemError(problem, response.status_code, float(after) if after.isdigit() else None)
