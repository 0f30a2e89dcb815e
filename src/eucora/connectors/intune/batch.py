"""Requests to Graph twenty at a time, in ``$batch``.

The whole is answered 200 although parts of it fail, in any order, and a part may be throttled by itself. Source:
Microsoft's page on combining requests in a JSON batch. The budget is charged for every part, as Graph counts them, and
slows down for one that was throttled as for a whole request.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from eucora.application.planes import PlaneError, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import classify
from eucora.connectors.intune.graph import Graph, JsonObject, header_of, off_schema
from eucora.domain.planes import Plane

BATCH_MAX: Final = 20
ROUNDS_MAX: Final = 4
WAIT_MAX_S: Final = 30.0  # a part that asks for more patience is left to the job, which knows how to come back later
_BACKOFF_S: Final = 1.0  # the first wait where no part names one; doubled each round


@dataclass(frozen=True, slots=True)
class Part:
    """One request; ``path`` is below the version, ``body`` JSON. It must be safe to send twice."""

    method: str
    path: str
    body: JsonObject | None = None


class Batches:
    """Sends parts in as few batches as there can be, and those again that Graph had no time for."""

    def __init__(self, graph: Graph, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._graph, self._sleep = graph, sleep

    async def send(self, operation: str, parts: Sequence[Part]) -> list[PlaneRejected | None]:
        """For each part, in the order given: None when it was done, or why Graph refused it for what it says.

        Raises:
            PlaneForbidden: Graph refused us in one of the parts.
            PlaneUnavailable: a part found no answer after some rounds, or has to wait longer than 30 s.
        """
        refusals: list[PlaneRejected | None] = []
        for start in range(0, len(parts), BATCH_MAX):
            refusals += await self._all(operation, parts[start : start + BATCH_MAX])
        return refusals

    async def _all(self, operation: str, parts: Sequence[Part]) -> list[PlaneRejected | None]:
        waiting = {str(number): part for number, part in enumerate(parts)}
        refusals: dict[str, PlaneRejected] = {}
        for round_ in range(ROUNDS_MAX):
            busy: list[PlaneUnavailable] = []
            errors = await self._round(operation, waiting)
            for id_, error in errors.items():
                if isinstance(error, PlaneUnavailable):
                    busy.append(error)
                    continue
                del waiting[id_]
                if isinstance(error, PlaneRejected):
                    refusals[id_] = error
                elif error is not None:
                    raise error
            if not waiting:
                return [refusals.get(str(number)) for number in range(len(parts))]
            slowest = max(busy, key=lambda error: error.retry_after_s or 0.0)
            wait_s = slowest.retry_after_s or _BACKOFF_S * 2**round_
            if wait_s > WAIT_MAX_S or round_ == ROUNDS_MAX - 1:
                raise slowest
            await self._sleep(wait_s)
        raise AssertionError("the last round returns or raises")

    async def _round(self, operation: str, waiting: dict[str, Part]) -> dict[str, PlaneError | None]:
        """What became of each part. Raises PlaneRejected when there is not one answer to each."""
        answers = await self._graph.batch(operation, [_request(id_, part) for id_, part in waiting.items()])
        found = {str(answer.get("id")): answer for answer in answers}
        if len(found) < len(answers) or found.keys() != waiting.keys():
            raise off_schema(operation, "a batch's answers do not fit its requests")
        return {id_: _error(operation, answer) for id_, answer in found.items()}


def _request(id_: str, part: Part) -> JsonObject:
    request: JsonObject = {"id": id_, "method": part.method, "url": part.path}
    if part.body is not None:
        request |= {"headers": {"Content-Type": "application/json"}, "body": part.body}
    return request


def _error(operation: str, answer: JsonObject) -> PlaneError | None:
    status: Any = answer.get("status")
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise off_schema(operation, "a batch's answer has no status")
    if 200 <= status < 300:
        return None
    wait = header_of(answer, "retry-after")
    said = httpx.Response(status, headers={} if wait is None else {"retry-after": wait}, json=answer.get("body"))
    return classify(Plane.INTUNE, operation, said)
