"""The read model of connectors: each outage with its end, the latest first; and what a timeline says of them."""

from datetime import UTC, datetime, timedelta
from typing import get_args

from projection_story import Log

from eucora.domain import connector as c
from eucora.projections.connectors import OUTAGES_MAX, ConnectorView, Outage, evolve
from eucora.projections.summaries import summary

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def opened(hour: int, error: str = "503 Service Unavailable") -> c.CircuitOpened:
    return c.CircuitOpened("intune-storage", "contoso", 5, error, NOON + timedelta(hours=hour))


def closed(hour: int) -> c.CircuitClosed:
    at = NOON + timedelta(hours=hour)
    return c.CircuitClosed("intune-storage", "contoso", at, at + timedelta(seconds=75))


STREAM = "connector-intune-storage:contoso"


async def view_of(*events: c.Event) -> ConnectorView:
    log, view = Log(), None
    for event in events:
        log.add(STREAM, event)
    for recorded in await log.read_all(-1, 1_000):
        view = evolve(view, recorded)
    assert view is not None
    return view


async def test_an_outage_is_open_until_its_end() -> None:
    view = await view_of(opened(0))
    assert (view.id, view.upstream, view.tenant) == ("intune-storage:contoso", "intune-storage", "contoso")
    assert view.outages == (Outage(NOON, 5, "503 Service Unavailable"),)
    view = await view_of(opened(0), closed(0), opened(2, "ConnectError"))
    second, first = view.outages
    assert (first.closed_at, second.closed_at) == (NOON + timedelta(seconds=75), None)
    assert (view.count, view.version) == (2, 3)


async def test_only_the_latest_outages_are_kept_and_all_are_counted() -> None:
    view = await view_of(*(opened(hour) for hour in range(OUTAGES_MAX + 5)))
    assert (view.count, len(view.outages)) == (OUTAGES_MAX + 5, OUTAGES_MAX)
    assert view.outages[0].opened_at == NOON + timedelta(hours=OUTAGES_MAX + 4)


def test_every_event_of_a_connector_has_its_sentence() -> None:
    said = {
        c.CircuitOpened: "Calls to intune-storage stopped after 5 failures in a row: 503 Service Unavailable",
        c.CircuitClosed: "intune-storage answers again after 75 s, and calls go out",
    }
    assert {type(event): summary(event) for event in (opened(0), closed(0))} == said
    assert set(said) == set(get_args(c.Event))
