"""Whoever waits for what is not readable yet keeps nobody else from being answered."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from api_rig import ADMIN, AUDITOR, CAB, OPERATOR, PACKAGER, PUBLISHER, Rig, problem

from eucora.api.limits import HttpLimits
from eucora.application.evidence_answers import derive_again, findings_of
from eucora.application.ports import EventStore, History
from eucora.domain.findings import SbomFacts, ScanFacts
from eucora.formats.evidence import EvidenceFiles

FAR = {"Eucora-Min-Position": str(2**53)}


async def test_others_are_answered_while_a_crowd_waits(rig: Rig) -> None:
    """More of them than there are places in work, of so many that no share of one bounds them."""
    crowd = (PACKAGER, PUBLISHER, CAB, OPERATOR, AUDITOR)
    waiting = [
        asyncio.create_task(rig.ask("GET", "/incidents", person, headers=FAR, caught_up=False))
        for _ in range(HttpLimits().working // 4)
        for person in crowd
    ]
    assert len(waiting) > HttpLimits().working
    await asyncio.sleep(0)
    other = asyncio.create_task(rig.ask("GET", "/deployment-intents", ADMIN, caught_up=False))
    done, _ = await asyncio.wait({other, *waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert done == {other}
    assert (await other).status_code == 200
    for one in await asyncio.gather(*waiting):
        problem(one, 503, "projection-behind")
    for person in crowd:
        assert (await rig.get("/incidents", person)).status_code == 200, "and nothing is held afterwards"


async def test_one_who_waits_for_more_than_his_share_is_told(rig: Rig) -> None:
    share = HttpLimits().waiting // 2  # what one may have of the line while nobody else is in it
    many = [
        asyncio.create_task(rig.ask("GET", "/incidents", OPERATOR, headers=FAR, caught_up=False))
        for _ in range(share + 16)
    ]
    answers = await asyncio.gather(*many)
    slugs = [one.json()["type"].rpartition(":")[2] for one in answers]
    assert set(slugs) == {"projection-behind", "too-many-at-once"}
    assert share <= slugs.count("projection-behind") <= share + HttpLimits().working // 4


async def test_who_waits_gets_what_was_written_meanwhile(rig: Rig) -> None:
    before = await rig.events()
    await rig.register("1.0")
    each = await rig.events() - before
    position = await rig.events() - 1 + each
    headers = {"Eucora-Min-Position": str(position)}
    waiting = asyncio.create_task(rig.ask("GET", "/artifacts", ADMIN, headers=headers, caught_up=False))
    await rig.register("2.0")
    await rig.runner.catch_up_all()
    answer = await waiting
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == 2


class Gated(EvidenceFiles):
    """Counts how often a file is read, and reads none before the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.gate = threading.Event()

    def sbom(self, path: Path) -> SbomFacts:
        self.read.append("sbom")
        assert self.gate.wait(30)
        return super().sbom(path)

    def scan(self, path: Path) -> ScanFacts:
        self.read.append("scan")
        assert self.gate.wait(30)
        return super().scan(path)


class Looked:
    """A store of events that tells when it was read so often."""

    def __init__(self, inner: EventStore, often: int) -> None:
        self._inner, self._left, self.enough = inner, often, asyncio.Event()

    async def read(self, stream: str, **options: Any) -> History:
        history = await self._inner.read(stream, **options)
        self._left -= 1
        if self._left <= 0:
            self.enough.set()
        return history


async def test_a_crowd_that_asks_about_one_pack_has_its_files_read_once(rig: Rig) -> None:
    pack = await rig.pack()
    reader, looked = Gated(), Looked(rig.world.store, often=40)
    world = replace(rig.world, evidence=reader, store=cast("EventStore", looked))
    asked = [asyncio.create_task(findings_of(world, pack, latest=False)) for _ in range(20)]
    again = [asyncio.create_task(derive_again(world, pack)) for _ in range(20)]
    await looked.enough.wait()
    await asyncio.sleep(0)
    reader.gate.set()
    assert [len(found) for found in await asyncio.gather(*asked)] == [1] * len(asked)
    assert [list(found) for found in await asyncio.gather(*again)] == [[]] * len(again)
    assert sorted(reader.read) == ["sbom", "scan"]
    await findings_of(world, pack, latest=False)
    assert sorted(reader.read) == ["sbom", "sbom", "scan", "scan"], "nothing is kept afterwards"
