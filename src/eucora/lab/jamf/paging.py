"""Lists of the Pro API: filter, then sort, then cut the page out."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request

from eucora.lab.jamf.errors import Cause, ProRefused
from eucora.lab.jamf.rsql import RsqlError, parse

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 2000  # the ceiling that Jamf states for its history calls; none is stated for the others


Row = TypeVar("Row")


def select(
    request: Request,
    rows: Iterable[Row],
    get: Callable[[Row, str], object],
    fields: Collection[str],
    *,
    sort_default: str = "id:asc",
) -> tuple[int, list[Row]]:
    """The rows that match ``filter`` (count), and those of them on the page asked for, in the order asked for.

    Raises:
        ProRefused: 400 with code INVALID_FIELD for a page, sort or filter that cannot be understood.
    """
    try:
        accepts = parse(request.query_params.get("filter", ""), fields)
    except RsqlError as error:
        raise ProRefused(400, Cause("INVALID_FIELD", error.field or "filter", str(error))) from error
    found = [row for row in rows if accepts(partial(get, row))]
    for field, descending in reversed(_order(request, fields, sort_default)):
        found.sort(key=lambda row: _sort_key(get(row, field)), reverse=descending)
    page = _number(request, "page", 0, 0, 1 << 31)
    size = _number(request, "page-size", PAGE_SIZE_DEFAULT, 1, PAGE_SIZE_MAX)
    return len(found), found[page * size : (page + 1) * size]


def page_of(total: int, results: list[dict[str, Any]]) -> dict[str, Any]:
    """The envelope of a page."""
    return {"totalCount": total, "results": results}


def _order(request: Request, fields: Collection[str], default: str) -> list[tuple[str, bool]]:
    # Clients send both ``sort=a,b`` and ``sort=a&sort=b``.
    criteria = ",".join(request.query_params.getlist("sort")) or default
    order: list[tuple[str, bool]] = []
    for criterion in criteria.split(","):
        field, _, direction = criterion.strip().partition(":")
        if field not in fields or direction not in ("", "asc", "desc"):
            raise ProRefused(400, Cause("INVALID_FIELD", "sort", f"cannot sort by {criterion!r}"))
        order.append((field, direction == "desc"))
    return order


def _sort_key(value: object) -> tuple[int, int, str]:
    # Ids are strings of digits in this API and sort as numbers.
    text = "" if value is None else str(value)
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
        raise ProRefused(400, Cause("INVALID_FIELD", name, f"must be a whole number from {least} to {most}"))
    return int(text)
