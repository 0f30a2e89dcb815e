"""The paged lists of the Pro API, read to their end in an order that does not change while we read."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from eucora.application.planes import PlaneRejected
from eucora.connectors.jamf.api import JamfApi, off_schema
from eucora.connectors.jamf.moments import date_of
from eucora.domain.planes import Plane

STABLE: Final = "id:asc"
PAGE_SIZE: Final = 200
PAGES_MAX: Final = 2_000  # 400,000 rows


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, the count of all of them, and the server's own time of the answer (UTC) where it tells it."""

    rows: list[Any]
    total: int
    at: datetime | None


async def pages(
    api: JamfApi, path: str, params: Mapping[str, Any], *, size: int = PAGE_SIZE, pages_max: int = PAGES_MAX
) -> AsyncIterator[Page]:
    """The pages of a list until all rows of it were seen.

    Raises:
        PlaneRejected: no such list (``status`` 404); pages off their schema, or more of them than ``pages_max``.
    """
    seen = 0
    for number in range(pages_max):
        asked = {**params, "sort": STABLE, "page": number, "page-size": size}
        answer = await api.call("GET", path, also=frozenset({404}), params=asked)
        if answer.status_code == 404:
            if number:
                raise off_schema(api.operation, "a list that ends in the middle")
            raise PlaneRejected(Plane.JAMF, api.operation, f"no list at {path}", status=404)
        body = api.object_in(answer)
        rows, total = body.get("results"), body.get("totalCount")
        if not isinstance(rows, list) or not isinstance(total, int):
            raise off_schema(api.operation, "a list page without results or totalCount")
        yield Page(rows, total, date_of(answer))
        seen += len(rows)
        # a server may give fewer rows than asked for, so a short page is no end
        if not rows or seen >= total:
            return
    raise PlaneRejected(Plane.JAMF, api.operation, f"the list at {path} has more than {pages_max} pages")


def text_literal(text: str) -> str:
    """``text`` as a value in an RSQL filter, where nothing in it ends the value."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
