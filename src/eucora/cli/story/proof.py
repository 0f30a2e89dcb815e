"""What can be checked from outside: the event feed from its first position, and what the vendors really hold."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import rfc8785

from eucora.cli.story.materials import Material, setup_digest
from eucora.cli.story.report import Feed, ReadBack
from eucora.cli.story.shapes import FeedPage
from eucora.cli.story.stage import Stage, lab_contents
from eucora.client import Failed

PAGE: Final = 50
AUDITOR: Final = "aiko.auditor"


async def page(stage: Stage, *, cursor: str | None = None, limit: int = PAGE) -> FeedPage:
    """A page of the feed, as the auditor."""
    return await stage[AUDITOR].read(FeedPage, "/audit/events", cursor=cursor, limit=limit)


async def read_feed(stage: Stage, before: int) -> None:
    """Read the whole log by cursor and take every checksum again. ``before``: the head when the story began.

    The entries' bytes are rebuilt with a canonicaliser that is not ours (rfc8785), so that equality says something.

    Raises:
        Failed: a gap, a repeat, a stream out of order, a checksum that differs.
    """
    whole, cursor, pages, equal = hashlib.sha256(), None, 0, 0
    positions: list[int] = []
    streams: dict[str, list[int]] = {}
    while True:
        read = await page(stage, cursor=cursor)
        of_page = hashlib.sha256()
        for event in read.events:
            body = rfc8785.dumps(event.entry)
            of_page.update(body)
            whole.update(body)
            positions.append(event.position)
            streams.setdefault(event.entry["stream"], []).append(event.entry["version"])
        pages += 1
        equal += (read.checksum.algorithm, read.checksum.value) == ("sha256", of_page.hexdigest())
        if not read.has_more:
            break
        cursor = read.next_cursor
    feed = Feed(
        events=len(positions),
        appended=sum(position > before for position in positions),
        dense=positions == list(range(len(positions))),
        streams_dense=all(versions == list(range(1, len(versions) + 1)) for versions in streams.values()),
        pages=pages,
        checksums_equal=equal == pages,
        sha256=whole.hexdigest(),
    )
    stage.findings.feed = feed
    if not (feed.dense and feed.streams_dense and feed.checksums_equal):
        raise Failed(f"the event feed does not hold: {feed}")
    stage.say(
        AUDITOR,
        f"read {feed.events} events in {pages} pages from position 0: no gap, {len(streams)} streams in order, "
        "every checksum equal",
    )


async def read_back(stage: Stage, materials: Sequence[Material], registered: Mapping[str, Mapping[str, str]]) -> None:
    """Compare the installers that the simulated vendors hold with those that were handed in.

    Raises:
        Failed: a plane holds other content, or none.
    """
    contents = await lab_contents(stage.api.http, stage.lab)
    for material in materials:
        intent = next(one for one in stage.findings.intents if one.title == material.title)
        for plane, path in material.files:
            refs = intent.published(plane)
            held = (row for row in contents if row["plane"] == plane and row["ref"] in refs)
            found = ReadBack(
                application=material.inputs.name,
                plane=plane,
                file=path.name,
                uploaded=await asyncio.to_thread(setup_digest, path, stage.scratch),
                registered=registered[material.application_id][plane],
                read_back=tuple(sorted({str(row["setup_sha256"]) for row in held})),
            )
            stage.findings.read_backs.append(found)
            if not found.equal:
                raise Failed(
                    f"{plane} holds {', '.join(found.read_back) or 'nothing'} for {path.name}, not {found.uploaded}"
                )
    equal = len(stage.findings.read_backs)
    stage.say(
        AUDITOR, f"read {equal} installers back from the simulated vendors: each has the digest that was uploaded"
    )
