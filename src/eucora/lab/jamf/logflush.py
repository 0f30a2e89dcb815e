"""Flushing policy logs: what was flushed, and the request for it.

Source: developer.jamf.com, Classic API 11.32 reference, "Flushes a log specified in an XML file", read 2026-11-22. Jamf
flushes all logs of one policy or all policy logs of some computers; it does not support one policy's on some computers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from eucora.lab.jamf.errors import ClassicRefused
from eucora.lab.jamf.shapes import Listing, ShapeError, blank, merged, read

_SHAPE: Final = {
    "log": "",
    "log_id": "",
    "interval": "",
    "computers": Listing("computer", {"id": 0}),
}
_COUNTS: Final = {"zero": 0, "one": 1, "two": 2, "three": 3, "six": 6}
_UNIT_DAYS: Final = {"days": 1, "weeks": 7, "months": 30, "years": 365}


@dataclass(frozen=True, slots=True)
class FlushOrder:
    """What a request asks for: one policy's logs or (``policy_id`` empty) those of ``computers``, of that ``age``."""

    policy_id: str
    computers: frozenset[str]
    age: timedelta


@dataclass(frozen=True, slots=True)
class Flush:
    """An order that was carried out ``at`` (UTC)."""

    at: datetime
    order: FlushOrder

    def wipes(self, policy_id: str, computer_id: str, ended_at: datetime) -> bool:
        """Whether the log of that run, which ended so, was flushed."""
        order = self.order
        meant = order.policy_id == policy_id if order.policy_id else computer_id in order.computers
        return meant and ended_at <= self.at - order.age


def flush_order(data: bytes) -> FlushOrder:
    """The order in an XML body.

    Raises ClassicRefused 400, also for a policy and computers together. What a server makes of those is not described;
    the lab says no, because a caller that counts on it would flush more than it means to.
    """
    try:
        value = merged(_SHAPE, blank(_SHAPE), read(data, "logflush"))
    except ShapeError as error:
        raise ClassicRefused(400, "The request body is not a log flush in XML") from error
    computers = frozenset(str(computer["id"]) for computer in value["computers"])
    if value["log"] != "policy":
        raise ClassicRefused(400, "Only policy logs can be flushed")
    if bool(value["log_id"]) == bool(computers):
        raise ClassicRefused(400, "Name either a policy or computers")
    return FlushOrder(value["log_id"], computers, _age(value["interval"]))


def _age(interval: str) -> timedelta:
    count, _, unit = interval.lower().partition(" ")
    if count not in _COUNTS or unit not in _UNIT_DAYS:
        raise ClassicRefused(400, "Problem with interval")
    return timedelta(days=_COUNTS[count] * _UNIT_DAYS[unit])
