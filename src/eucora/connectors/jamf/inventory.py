"""Computers of Jamf Pro: those of a group, one by serial number or UDID, and those that have news.

Source: Jamf Pro API 11.30.1, computers-inventory v4; v3 where a server does not know that yet, in which the time of the
last check-in has another name.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

from eucora.application.planes import Device, PlaneRejected
from eucora.connectors.jamf.api import JamfApi, off_schema
from eucora.connectors.jamf.lists import Page, pages, text_literal
from eucora.connectors.jamf.moments import written, zoned
from eucora.domain.planes import Plane

_V4: Final = "/api/v4/computers-inventory"
_V3: Final = "/api/v3/computers-inventory"
SECTIONS: Final = ("GENERAL", "HARDWARE", "OPERATING_SYSTEM")
_SWEEPS_MAX: Final = 3
_ASKED_BY_ID_MAX: Final = 1_000  # computers; a sweep reads two hundred in one request
_IDS_AT_ONCE: Final = 100  # in one filter, whose address stays under 1,000 characters
# A node of the cluster shows another's news up to a minute late; the rest is for a server whose clock we do not know.
OVERLAP: Final = timedelta(minutes=5)


class News(StrEnum):
    """What counts as news of a computer: that it checked in (every quarter of an hour), or that it sent inventory."""

    CHECK_IN = "check_in"
    REPORT = "report"


_FIELDS: Final[Mapping[tuple[str, News], str]] = {
    (_V4, News.CHECK_IN): "general.lastCheckIn",
    (_V3, News.CHECK_IN): "general.lastContactTime",
    (_V4, News.REPORT): "general.reportDate",
    (_V3, News.REPORT): "general.reportDate",
}


@dataclass(frozen=True, slots=True)
class Computer:
    """A computer of the inventory. ``managed`` False: it is on record, but takes no policy.

    ``reported_at`` (UTC) is when it last sent inventory. ``sections`` are those asked for, as Jamf wrote them.
    """

    device: Device
    managed: bool
    udid: str = ""
    reported_at: datetime | None = None
    sections: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Since:
    """Computers with news, and from when to ask the next time, once all pages of this time were read."""

    computers: Sequence[Computer]
    next_since: datetime


async def computers(api: JamfApi, wanted: Collection[str]) -> Mapping[str, Computer]:
    """The computers of the inventory whose id is ``wanted``: asked for by id when they are few, else in a paged sweep.

    A computer that is deleted while we page moves another over a page's edge, out of our sight, and the total count
    shrinks; the sweep is then made again.
    """
    ids = frozenset(id_ for id_ in wanted if id_.isascii() and id_.isdecimal())
    if len(ids) <= _ASKED_BY_ID_MAX and (named := await computers_by_id(api, sorted(ids, key=int))) is not None:
        return {id_: _light(computer) for id_, computer in named.items()}
    found: dict[str, Computer] = {}
    async for number, page in _swept(api, SECTIONS, lambda _: "", done=lambda: len(found) == len(ids)):
        if number == 0:  # of a further sweep too, which is not to keep what was deleted since
            found.clear()
        found.update((computer.device.id, _light(computer)) for computer in _wanted(api, page, ids))
    return found


async def computers_by_id(
    api: JamfApi, ids: Sequence[str], sections: Sequence[str] = SECTIONS
) -> dict[str, Computer] | None:
    """The computers of these ids (decimal) with the ``sections`` asked for, a request for each hundred.

    None when the server passes over the filter, which would make each piece a sweep of its own.
    """
    found: dict[str, Computer] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        piece = ids[start : start + _IDS_AT_ONCE]
        async with aclosing(_versioned(api, sections, partial(_among, piece))) as read:
            async for _, page in read:
                if page.total > len(piece):
                    return None
                found |= {one.device.id: one for one in _wanted(api, page, frozenset(piece))}
    return found


def _among(ids: Sequence[str], path: str) -> str:
    return f"id=in=({','.join(ids)})"


def _wanted(api: JamfApi, page: Page, ids: Collection[str]) -> Iterator[Computer]:
    rows = (_computer(api.operation, row) for row in page.rows)
    return (computer for computer in rows if computer.device.id in ids)


def _light(computer: Computer) -> Computer:
    return replace(computer, sections={})  # the rows of a large group are heavy


async def computer_with_serial(api: JamfApi, serial: str, sections: Sequence[str] = SECTIONS) -> Computer | None:
    """The computer with that serial number, whatever its case; ``sections`` must have HARDWARE. None: not on record."""
    return await _one(api, "hardware.serialNumber", serial, sections, lambda computer: computer.device.serial)


async def computer_with_udid(api: JamfApi, udid: str, sections: Sequence[str] = SECTIONS) -> Computer | None:
    """The computer with that UDID, whatever its case. None: not on record."""
    return await _one(api, "udid", udid, sections, lambda computer: computer.udid)


async def computers_since(
    api: JamfApi,
    since: datetime | None,
    *,
    now: Callable[[], datetime],
    news: News = News.CHECK_IN,
    sections: Sequence[str] = SECTIONS,
) -> AsyncIterator[Since]:
    """The computers with news from ``since`` (UTC) on, a page at a time; None: all of them.

    Computers come again, harmlessly: those that changed their page, and those of the overlap. ``next_since`` lies that
    overlap before the server's own time of the first answer (``now`` where it tells none), so a computer that checks in
    while we read is in the next round at the latest. Give sections with GENERAL in them: it has the times.
    """
    asked_at = now()
    first_at: datetime | None = None

    def wanted(path: str) -> str:
        return "" if since is None else f"{_FIELDS[path, news]}>={text_literal(written(since))}"

    async for _, page in _swept(api, sections, wanted):
        first_at = first_at or page.at or asked_at
        rows = (_computer(api.operation, row) for row in page.rows)
        # a server may pass over a filter, so each computer is held against it
        fresh = [computer for computer in rows if since is None or not _stale(computer, news, since)]
        yield Since(fresh, first_at - OVERLAP)


def _stale(computer: Computer, news: News, since: datetime) -> bool:
    at = computer.device.last_check_in if news is News.CHECK_IN else computer.reported_at
    return at is not None and at < since


async def _one(
    api: JamfApi, name: str, value: str, sections: Sequence[str], key: Callable[[Computer], str]
) -> Computer | None:
    """The one that checked in last, should there be several. A filter may be passed over, so the records decide."""
    found: list[Computer] = []
    if value.strip():
        async for _, page in _swept(api, sections, lambda _: f"{name}=={text_literal(value)}"):
            rows = (_computer(api.operation, row) for row in page.rows)
            found += [computer for computer in rows if key(computer).casefold() == value.casefold()]
    return max(found, key=_last_seen, default=None)


def _last_seen(computer: Computer) -> float:
    seen = computer.device.last_check_in
    return seen.timestamp() if seen else 0.0


async def _swept(
    api: JamfApi, sections: Sequence[str], wanted: Callable[[str], str], done: Callable[[], bool] = lambda: False
) -> AsyncIterator[tuple[int, Page]]:
    """(number, page) of every page of the inventory; all of them again, from 0, when it shrank and we are not ``done``.

    ``wanted`` gives the filter for a path.
    """
    for _ in range(_SWEEPS_MAX):
        total_first = total = 0
        async for number, page in _versioned(api, sections, wanted):
            total_first, total = (total_first if number else page.total), page.total
            yield number, page
        if total >= total_first or done():
            return


async def _versioned(
    api: JamfApi, sections: Sequence[str], wanted: Callable[[str], str]
) -> AsyncGenerator[tuple[int, Page], None]:
    for path in (_V4, _V3):
        params: dict[str, Any] = {"section": list(sections)}
        if query := wanted(path):
            params["filter"] = query
        number = 0
        try:
            async for page in pages(api, path, params):
                yield number, page
                number += 1
            return
        except PlaneRejected as error:
            if number or error.status != 404:
                raise
    raise PlaneRejected(Plane.JAMF, api.operation, "no known version of computers-inventory", status=404)


def _computer(operation: str, row: Any) -> Computer:
    if not isinstance(row, dict) or not row.get("id"):
        raise off_schema(operation, "a computer without id")
    general, hardware, system = (_section(row, name) for name in ("general", "hardware", "operatingSystem"))
    checked_in = general.get("lastCheckIn") or general.get("lastContactTime") or ""
    return Computer(
        device=Device(
            id=str(row["id"]),
            name=str(general.get("name") or ""),
            serial=str(hardware.get("serialNumber") or ""),
            os_version=str(system.get("version") or ""),
            last_check_in=zoned(str(checked_in)),
        ),
        managed=_section(general, "remoteManagement").get("managed") is not False,
        udid=str(row.get("udid") or ""),
        reported_at=zoned(str(general.get("reportDate") or "")),
        sections=row,
    )


def _section(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = row.get(name)
    return section if isinstance(section, dict) else {}
