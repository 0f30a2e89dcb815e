"""What the story found: the summary as JSON, and as a table that says what was proved."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from eucora.cli.story.narration import figures
from eucora.cli.story.shapes import Intent, Review


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not allowed. ``on_record``: the log holds the attempt."""

    what: str
    by: str
    type: str
    status: int
    told: str
    on_record: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """The event feed as the auditor read it. ``sha256`` is over all entries' canonical bytes, taken by the client."""

    events: int
    appended: int  # by this story
    dense: bool
    streams_dense: bool
    pages: int
    checksums_equal: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """An installer's digest as it was uploaded, and as the vendor holds it."""

    application: str
    plane: str
    file: str
    uploaded: str
    registered: str
    read_back: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return self.registered == self.uploaded and bool(self.read_back) and set(self.read_back) == {self.uploaded}


@dataclass(frozen=True, slots=True)
class Stopped:
    """What an incident led to: ``halted`` rollouts, one of them rolled back, the other one resumed and ended."""

    severity: str
    blast_radius_class: str
    affected_devices: int
    halted: int
    rolled_back: str
    reverted: int
    remaining: int | None
    resumed: str


@dataclass(slots=True)
class Findings:
    """Filled in by the chapters."""

    seconds: dict[str, float] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    reviews: list[tuple[Intent, Review]] = field(default_factory=list)
    read_backs: list[ReadBack] = field(default_factory=list)
    stopped: Stopped | None = None
    feed: Feed | None = None


def summary(found: Findings) -> Mapping[str, Any]:
    """The summary, JSON-ready. Raises ValueError before the feed was read."""
    if found.feed is None:
        raise ValueError("the story was not told to its end")
    feed = found.feed
    return {
        "events": {
            "total": feed.events,
            "appended": feed.appended,
            "positions_dense": feed.dense,
            "streams_dense": feed.streams_dense,
            "checksum": {"sha256": feed.sha256, "pages": feed.pages, "equal": feed.checksums_equal},
        },
        "intents_completed": sum(intent.status == "completed" for intent in found.intents),
        "intents": [_intent(intent) for intent in found.intents],
        "incident": asdict(found.stopped) if found.stopped else None,
        "cab": [_review(intent, review) for intent, review in found.reviews],
        "artifacts": [asdict(one) | {"equal": one.equal} for one in found.read_backs],
        "refusals": [asdict(one) for one in found.refusals],
        "seconds": {**found.seconds, "total": round(sum(found.seconds.values()), 1)},
    }


def _intent(intent: Intent) -> dict[str, Any]:
    rings = [
        {"ring": ring.name, "automatic": ring.opened_automatically, **row.model_dump()}
        for ring in intent.rings
        for row in ring.rows()
    ]
    return {
        "id": intent.id,
        "application": intent.release.application.name,
        "version": intent.release.application.version,
        "status": intent.status,
        "planes": list(intent.planes),
        "score": float(intent.risk.score),
        "blast_radius_class": intent.risk.blast_radius_class,
        "cab_from_ring": intent.route.cab_from_ring,
        "approval": {"status": intent.approval.status, "source": intent.approval.source},
        "rollback_rehearsed": bool(intent.rehearsal and intent.rehearsal.passed),
        "rings": rings,
    }


def _review(intent: Intent, review: Review) -> dict[str, Any]:
    return {
        "application": intent.release.application.name,
        "decision": review.status,
        "quorum": review.quorum,
        "votes": len(review.votes),
        "refused_votes": len(review.refused_votes),
        "conditions": [condition.model_dump() for condition in review.conditions],
    }


def show(console: Console, found: Findings) -> None:
    """The tables at the end."""
    told = summary(found)
    console.print()
    console.print(Group(_devices(found), _proofs(told)))


def _devices(found: Findings) -> RenderableType:
    table = Table(title="Devices by ring and plane", title_justify="left", title_style="bold")
    for heading in ("application", "ring", "plane", "devices", "promoted by"):
        table.add_column(heading)
    for intent in found.intents:
        for ring in intent.rings:
            by = "policy" if ring.opened_automatically else "publisher"
            for row in ring.rows():
                table.add_row(intent.title, ring.name, row.plane, figures(row), by)
    return table


def _proofs(told: Mapping[str, Any]) -> RenderableType:
    table = Table(title="What was proved", title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    events, sums = told["events"], told["events"]["checksum"]
    table.add_row(
        "Event log",
        f"{events['appended']} events appended; positions 0 to {events['total'] - 1} without a gap, and every stream's "
        f"versions too; SHA-256 of {sums['pages']} pages taken again by the client and equal; over all: "
        f"{sums['sha256']}",
    )
    for intent in told["intents"]:
        how = f"approved ({intent['approval']['source']})"
        where = " and ".join(intent["planes"])
        table.add_row(
            f"{intent['application']} {intent['version']}",
            f"score {intent['score']}, {intent['blast_radius_class'].replace('_', ' ')}, {how}; "
            f"{intent['status']} on {where}; rollback rehearsed",
        )
    for review in told["cab"]:
        conditions = "; ".join(f"{one['kind'].replace('_', ' ')}: {one['value']}" for one in review["conditions"])
        refused = f", {review['refused_votes']} refused vote on record" if review["refused_votes"] else ""
        table.add_row(
            f"CAB on {review['application']}",
            f"{review['decision'].replace('_', ' ')} with {review['votes']} of {review['quorum']} votes{refused}; "
            f"conditions: {conditions or 'none'}",
        )
    if (stopped := told["incident"]) is not None:
        table.add_row(
            "Incident",
            f"{stopped['severity'].upper()} on {stopped['affected_devices']} devices halted {stopped['halted']} "
            f"rollouts at once; one {stopped['rolled_back'].replace('_', ' ')} ({stopped['reverted']} devices, "
            f"{stopped['remaining']} left), one {stopped['resumed']} after CAB's second yes",
        )
    equal = sum(one["equal"] for one in told["artifacts"])
    table.add_row(
        "Content", f"{equal} of {len(told['artifacts'])} installers read back from the vendors with the digest uploaded"
    )
    shown = len(told["refusals"])
    table.add_row("Refusals", f"{shown} shown, each with its problem type and what to do")
    table.add_row("Time", f"{told['seconds']['total']} s")
    return table
