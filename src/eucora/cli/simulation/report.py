"""How a simulation is told: the same simulation, the same bytes."""

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from enum import Enum
from typing import Any

from eucora.cli.simulation.run import Judged, RingTold, Simulated


def document(told: Simulated) -> dict[str, Any]:
    """JSON-ready: decimals as text, rings and verdicts by name; hours count from the start of the rollout."""
    plain = _plain(asdict(told))
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> object:
    match value:
        case Enum():
            return value.name.lower()
        case Decimal():
            return str(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def lines(told: Simulated) -> Iterator[str]:
    """The same for people."""
    fleet = told.fleet
    macs = f"{fleet.macs} Macs" + (f" of Jamf's and {fleet.intune_macs} of Intune's" if fleet.intune_macs else "")
    yield f"{told.application} on {fleet.windows} Windows devices and {macs} (seed {fleet.seed})"
    if told.refused:
        yield f"  refused: {told.refused}"
        return
    yield f"  risk score {told.score}, {told.radius}: {'; '.join(told.reasons)}"
    if told.votes:
        yield f"  CAB: {told.votes} approving votes, assumed to come at once"
    for ring in told.rings:
        yield from _ring(ring)
    for hours, reason in told.stops:
        yield f"  {_at(hours)} stopped: {reason}"
    yield f"  {_at(told.hours)} {told.status.replace('_', ' ')}"


def _ring(ring: RingTold) -> Iterator[str]:
    left = "never left" if ring.left is None else f"left {_at(ring.left)}"
    counted = f"{ring.installed} of {ring.devices} installed, {ring.failed} failed"
    yield f"  ring {ring.ring:d} {ring.ring.name.lower()}: opened {_at(ring.opened)}, {left}; {counted}"
    for judged in ring.judged:
        yield from _judged(judged)


def _judged(judged: Judged) -> Iterator[str]:
    yield f"    {_at(judged.hours)} gates {judged.verdict.value}"
    for gate, verdict, reason in judged.unmet:
        yield f"      {gate} {verdict.value}: {reason}"


def _at(hours: int) -> str:
    return f"day {hours // 24} {hours % 24:02}:00"
