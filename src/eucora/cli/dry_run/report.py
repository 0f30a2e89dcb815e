"""A dry run as lines for a person, or as a document for a machine."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

from eucora.cli.dry_run.run import Told
from eucora.cli.dry_run.steps import Step
from eucora.connectors.dry_run.sent import Kind, Sent

_BODY_LINES: Final = 60  # of one request; the document has all that is kept of it
_OF_ONE: Final = re.compile(r"(?<=/managedDevices/)[0-9a-f-]{36}|(?<=/computerhistory/id/)\d+|blockid=.*")
_WORDS: Final = {Kind.SIGN_IN: "signs in", Kind.READ: "reads", Kind.WRITE: "WRITES"}


def lines(told: Told, *, bodies: bool = True) -> Iterator[str]:
    """The rollout part by part. ``bodies``: with what the writes say."""
    for part, steps in groupby(told.steps, key=lambda step: step.part):
        yield f"== {part}"
        for step in steps:
            yield f"{step.plane}: {step.verb} {step.about}"
            yield from _requests(step.sent, bodies=bodies)
            if step.problem:
                yield f"  ended here: {step.problem}"
    yield "== in all"
    for plane, devices in sorted(told.devices.items()):
        yield f"{plane}: {devices} devices in the rings that were looked at"
    reads, writes = (_count(told.steps, kind) for kind in (Kind.READ, Kind.WRITE))
    yield f"{reads} reads, {writes} writes. None of the writes left this machine."
    for problem in told.problems:
        yield f"LOOK {problem}"


def document(told: Told) -> dict[str, Any]:
    """Everything that is known of the dry run."""
    return {
        "steps": [
            {
                "part": step.part,
                "plane": step.plane,
                "verb": step.verb,
                "about": step.about,
                "problem": step.problem,
                "requests": [asdict(sent) for sent in step.sent],
            }
            for step in told.steps
        ],
        "devices": {str(plane): devices for plane, devices in sorted(told.devices.items())},
        "reads": _count(told.steps, Kind.READ),
        "writes": _count(told.steps, Kind.WRITE),
        "problems": told.problems,
    }


def _requests(sent: Sequence[Sent], *, bodies: bool) -> Iterator[str]:
    """Each request; reads of one device after the other, and the blocks of a file, are one line."""
    for _, alike in groupby(sent, key=_alike):
        run = list(alike)
        first = run[0]
        more = f", and {len(run) - 1} more like it" if len(run) > 1 else ""
        size = f", {sum(one.size for one in run)} bytes in all" if more and first.kind is Kind.WRITE else ""
        yield f"  {_WORDS[first.kind]:8} {first.method:6} {first.url}{_answered(first)}{more}{size}"
        if first.kind is Kind.WRITE:
            yield from (f"             {name}: {value}" for name, value in first.headers.items())
            if bodies and not more:
                yield from _indented(first.body)


def _alike(sent: Sent) -> tuple[object, ...]:
    """Equal for requests that one line may stand for."""
    if sent.kind is Kind.WRITE and "comp=block&" not in sent.url:
        return (sent.kind, sent.url, sent.body)
    return (sent.kind, sent.method, _OF_ONE.sub("", sent.url), sent.real, sent.status)


def _answered(sent: Sent) -> str:
    """What came back, where the vendor was asked and there is something to say about it."""
    if sent.real and not 200 <= sent.status < 300:
        return f" -> {sent.status}"
    if sent.kind is Kind.READ and not sent.real:
        return " (answered here)"
    return ""


def _indented(body: str) -> Iterator[str]:
    found = body.splitlines()
    yield from (f"             {line}" for line in found[:_BODY_LINES])
    if len(found) > _BODY_LINES:
        yield f"             … {len(found) - _BODY_LINES} more lines: see --json"


def _count(steps: Sequence[Step], kind: Kind) -> int:
    return sum(sent.kind is kind for step in steps for sent in step.sent)
