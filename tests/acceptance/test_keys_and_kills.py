"""One key, eight senders, and a process that is killed in the middle: one effect a key, and the same answer to all.

The default run sends as many keys as fit into half a minute; EUCORA_TEST_LONG=1 sends 2,000.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from killed_house import PATIENCE_S, KilledHouse, tokens

from databases import Database
from eucora.application.ports import Context, Recorded, Write
from eucora.domain.change_window import ChangeWindowCreated
from eucora.domain.incident import (
    Attributable,
    IncidentKind,
    IncidentNoted,
    IncidentReported,
    IncidentResolved,
    IncidentSeverity,
)
from eucora.domain.people import Role
from eucora.lab.server import LabAddresses
from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

LONG = bool(os.environ.get("EUCORA_TEST_LONG"))
KEYS = 2_000 if LONG else 120
KILLS_MIN = 25 if LONG else 5
BETWEEN_KILLS = (300, 700) if LONG else (60, 180)  # answers
SENDERS = 8
AT_ONCE = 4  # keys that are sent beside each other
NOTED = 5  # incidents that all notes go to, so that they meet
SAME = ("Content-Type", "ETag", "Eucora-Position")
# Planes that nothing here asks for anything.
NOWHERE = "http://127.0.0.1:9"
NOBODY_THERE = LabAddresses(
    base_url=NOWHERE,
    entra_authority=f"{NOWHERE}/entra",
    graph_url=f"{NOWHERE}/graph",
    jamf_url=f"{NOWHERE}/jamf",
    oidc_issuer=f"{NOWHERE}/oidc",
    admin_url=f"{NOWHERE}/admin",
    tenant="0199e5a4-6f00-7000-8000-000000000001",
    client_id="0199e5a4-6f00-7000-8000-000000000002",
    client_secret="nobody asks for it",
    jamf_client_id="0199e5a4-6f00-7000-8000-000000000003",
    jamf_client_secret="nobody asks for it",
)


class House(KilledHouse):
    """Nobody asks so often but in a test."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"EUCORA_RATE_LIMIT": "1000000"}


@dataclass(frozen=True)
class Wish:
    """What one key stands for. ``name`` is in the event that comes of it."""

    name: str
    who: str
    key: str
    path: str
    body: Mapping[str, Any]


@dataclass
class Sending:
    """What came back, by key. ``cut``: requests that got no answer; ``waited``: those that were told to come again."""

    answers: dict[str, list[httpx.Response]] = field(default_factory=dict)
    cut: int = 0
    waited: Counter[int] = field(default_factory=Counter)
    answered: int = 0
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def got(self, wish: Wish, answer: httpx.Response) -> None:
        async with self._progress:
            self.answers.setdefault(wish.key, []).append(answer)
            self.answered += 1
            self._progress.notify_all()

    async def reached(self, answers: int) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: self.answered >= answers)


@pytest.mark.slow
@pytest.mark.machine
@pytest.mark.timeout(3_000 if LONG else 300)
async def test_a_key_has_one_effect_however_often_it_is_sent(
    database: Database, pool: Pool, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    log = EventLog(pool, RandomIds())
    house, sending = House(database.url, tmp_path, NOBODY_THERE), Sending()
    secrets = await tokens(pool, cab=Role.CAB_APPROVER, operator=Role.ENDPOINT_OPERATOR)
    wishes = made_up(await reported(log, NOTED + KEYS))
    runner = ProjectionRunner(pool, log, all_projections())
    await runner.ensure()
    await runner.catch_up_all()  # no worker is here to make the token known
    house.start("serve")
    try:
        limits = httpx.Limits(max_connections=SENDERS * AT_ONCE)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=10) as http:
            killer = asyncio.create_task(kill_again_and_again(house, sending))
            await send_all(Client(house, http, secrets, sending), wishes)
            killer.cancel()
    finally:
        house.stop()
    made = await effects(log)
    await log.close()
    record_testsuite_property(
        "keys and kills", f"{house.kills} kills, {sending.cut} requests cut, told to come again: {dict(sending.waited)}"
    )

    assert house.kills >= KILLS_MIN
    assert sending.cut >= house.kills, "a process was killed while nobody waited for an answer"
    assert made == Counter({wish.name: 1 for wish in wishes})
    for wish in wishes:
        answers = sending.answers[wish.key]
        assert len(answers) == SENDERS
        assert {answer.status_code for answer in answers} == {201}, answers[0].text
        told = {(answer.content, *(answer.headers[name] for name in SAME)) for answer in answers}
        assert len(told) == 1, f"{wish.name} was answered in {len(told)} ways: {told}"


@dataclass
class Client:
    """Somebody who sends again until he is answered."""

    house: KilledHouse
    http: httpx.AsyncClient
    secrets: Mapping[str, str]
    sending: Sending

    async def insist(self, wish: Wish) -> None:
        url = f"http://127.0.0.1:{self.house.port}/api/v1{wish.path}"
        headers = {"Authorization": f"Bearer {self.secrets[wish.who]}", "Idempotency-Key": wish.key}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.http.post(url, json=dict(wish.body), headers=headers)
                except httpx.TransportError:
                    self.sending.cut += 1
                    await asyncio.sleep(0.3)  # it starts for some seconds, and needs the cores for that
                    continue
                if "Retry-After" not in answer.headers:
                    await self.sending.got(wish, answer)
                    return
                self.sending.waited[answer.status_code] += 1
                await asyncio.sleep(0.1)


async def send_all(client: Client, wishes: Sequence[Wish]) -> None:
    """Each wish by all of its senders at once, some wishes beside each other."""
    waiting = list(reversed(wishes))

    async def work() -> None:
        while waiting:
            wish = waiting.pop()
            await asyncio.gather(*(client.insist(wish) for _ in range(SENDERS)))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def kill_again_and_again(house: KilledHouse, sending: Sending) -> None:
    """By progress, never by the clock: after so many answers, whatever the others are waiting for."""
    order = random.Random(13)
    while True:
        await sending.reached(sending.answered + order.randint(*BETWEEN_KILLS))
        house.kill("serve")


async def reported(log: EventLog, count: int) -> list[str]:
    """Ids of open incidents."""
    now, ids = datetime.now(UTC), [str(RandomIds().new()) for _ in range(count)]
    await asyncio.gather(
        *(
            log.append([Write(f"incident-{id}", 0, [report(id, now)])], context=Context("test", "seed"), at=now)
            for id in ids
        )
    )
    return ids


def report(id: str, at: datetime) -> IncidentReported:
    return IncidentReported(
        incident_id=id,
        intent_id="",
        application_id="field-notes",
        severity=IncidentSeverity.P4,
        kind=IncidentKind.OTHER,
        attributable=Attributable.NO,
        affected_devices=1,
        description="paper jam",
        by="test|operator",
        at=at,
    )


def made_up(incidents: Sequence[str]) -> list[Wish]:
    """In turn: something new; an addition to what others add to; and a move that its own effect would refuse."""
    wishes = []
    for number in range(KEYS):
        name, key = f"wish {number}", f"key-{number}"
        if number % 3 == 0:
            window = {"effect": "deny", "name": name, "reason": "stock-taking", "zone": "UTC"}
            window |= {"start": "2035-03-01T08:00:00", "end": "2035-03-01T18:00:00"}
            wishes.append(Wish(name, "cab", key, "/change-windows", window))
        elif number % 3 == 1:
            wishes.append(Wish(name, "cab", key, f"/incidents/{incidents[number % NOTED]}/notes", {"text": name}))
        else:
            path = f"/incidents/{incidents[NOTED + number]}/resolutions"
            wishes.append(Wish(name, "operator", key, path, {"root_cause": name}))
    return wishes


async def effects(log: EventLog) -> Counter[str]:
    """How often each wish stands in the log."""
    found: Counter[str] = Counter()
    after = -1
    while page := await log.read_all(after, 5_000):
        found.update(name for one in page if (name := wished(one)))
        after = page[-1].position
    return found


def wished(recorded: Recorded) -> str:
    match recorded.event:
        case ChangeWindowCreated(name=name) | IncidentNoted(text=name) | IncidentResolved(root_cause=name):
            return name
    return ""
