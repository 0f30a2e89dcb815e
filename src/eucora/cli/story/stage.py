"""What every chapter needs: the people with their sessions, the groups, who listens, and what was found so far."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from eucora.cli.story.narration import Narrator
from eucora.cli.story.report import Findings, Refusal
from eucora.cli.story.shapes import Intent, Timeline
from eucora.cli.story.sign_in import SignIn
from eucora.client import Api, Away, Failed, Problem, Session
from eucora.domain.deployment_intent.events import SERVICE
from eucora.lab.oidc import PEOPLE, password_for
from eucora.lab.roster import groups_of
from eucora.lab.server import LabAddresses

POLL_S: Final = 0.4
PAGE: Final = 50
STOPPED: Final = frozenset({"paused", "halted", "aborted", "rolling_back", "rolled_back", "rejected"})
# Readings come every second and the gates with them; the board shows them better than a line could.
UNTOLD: Final = ("deployment_intent.ring-measured", "deployment_intent.gate-run-completed")


@dataclass(slots=True)
class _Reading:
    """How far an intent's timeline was told: the page that still fills up, and the last position told."""

    cursor: str | None = None
    position: int = -1


@dataclass(slots=True)
class Stage:
    """``groups``: (plane, ring) to the plane's own group id. ``scratch``: a folder for files of the story's own."""

    api: Api
    lab: LabAddresses
    people: Mapping[str, Session]
    groups: Mapping[tuple[str, int], str]
    narrator: Narrator
    findings: Findings
    scratch: Path
    _told: dict[str, _Reading] = field(default_factory=dict)

    def __getitem__(self, username: str) -> Session:
        return self.people[username]

    @asynccontextmanager
    async def chapter(self, number: str, title: str) -> AsyncIterator[None]:
        """A chapter, with the seconds that it took."""
        self.narrator.chapter(f"{number}. {title}")
        began = time.monotonic()
        yield
        self.findings.seconds[number] = round(time.monotonic() - began, 1)

    def say(self, username: str, what: str) -> None:
        self.narrator.say(self.people[username].name, what)

    async def refused(
        self, username: str, what: str, *types: str, call: Awaitable[object], on_record: bool = False
    ) -> Problem:
        """The problem that ``call`` meets. Raises Failed when it is not refused, or for another reason."""
        try:
            await call
        except Problem as problem:
            if problem.type not in types:
                raise Failed(f"{what}: refused, but as {problem}") from problem
            self.say(username, f"{what}: refused ({problem.type}). {problem.told}")
            self.findings.refusals.append(
                Refusal(what, self.people[username].name, problem.type, problem.status, problem.told, on_record)
            )
            return problem
        raise Failed(f"{what}: this should have been refused, and was not")

    async def intent(self, intent_id: str) -> Intent:
        """The intent as it stands, told on the board."""
        intent = await self["petra.publisher"].read(Intent, f"/deployment-intents/{intent_id}")
        self.narrator.progress(intent)
        return intent

    async def until(
        self,
        intent_id: str,
        what: str,
        done: Callable[[Intent], bool],
        *,
        limit_s: float = 60.0,
        on_the_way: Collection[str] = (),
    ) -> Intent:
        """The intent once ``done`` holds; what the service does is told. ``on_the_way``: stops that are meant.

        Raises:
            Failed: it was stopped, or ``limit_s`` seconds passed; says what stands in the way.
        """
        deadline = time.monotonic() + limit_s
        while True:
            intent = await self.intent(intent_id)
            await self._tell(intent)
            if done(intent):
                return intent
            if intent.status in STOPPED and intent.status not in on_the_way:
                why = f": {intent.hold.reason}" if intent.hold else ""
                raise Failed(f"{intent.title} is {intent.status} while waiting until {what}{why}")
            if time.monotonic() > deadline:
                raise Failed(f"{intent.title}: waited {limit_s:.0f} s until {what}; {await self._blockers(intent_id)}")
            await asyncio.sleep(POLL_S)

    async def _blockers(self, intent_id: str) -> str:
        answer = await self["petra.publisher"].get(f"/deployment-intents/{intent_id}/blockers")
        found = [f"{one.get('condition')}: {one.get('reason')}" for one in answer.get("blockers", [])]
        return f"in the way: {'; '.join(found)}" if found else "nothing is said to be in the way"

    async def _tell(self, intent: Intent) -> None:
        """What the service did since the last look. People's own doings are told where they are done."""
        reading = self._told.setdefault(intent.id, _Reading())
        while True:
            page = await self["petra.publisher"].read(
                Timeline, f"/deployment-intents/{intent.id}/timeline", cursor=reading.cursor, limit=PAGE
            )
            for entry in page.items:
                new = entry.position > reading.position
                if new and entry.actor == SERVICE and entry.type not in UNTOLD:
                    self.narrator.say("EUCORA", f"{intent.title}: {entry.summary}")
                reading.position = max(reading.position, entry.position)
            if page.next_cursor is None:
                return
            reading.cursor = page.next_cursor


def stage(
    http: httpx.AsyncClient, api_url: str, lab: LabAddresses, seed: int, narrator: Narrator, scratch: Path
) -> Stage:
    """A stage with everybody on it; they sign in when they first do something."""
    api, token_url = Api(api_url, http), f"{lab.oidc_issuer}/token"
    people = {
        person.username: Session(
            api, SignIn(http, token_url, person.username, password_for(person.username, seed)), person.name
        )
        for person in PEOPLE
    }
    groups: dict[tuple[str, int], str] = {}
    for group in groups_of(seed, windows=1200, macs=800):
        number = group.name.split("-")[1]
        if number.isdecimal():
            groups[str(group.plane), int(number)] = group.id
    return Stage(api, lab, people, groups, narrator, Findings(), scratch)


async def lab_contents(http: httpx.AsyncClient, lab: LabAddresses) -> list[dict[str, Any]]:
    """What the simulated vendors hold, with digests taken of their own copies."""
    try:
        answer = await http.get(f"{lab.admin_url}/contents")
    except httpx.TransportError as error:
        raise Away("lab", f"the lab does not answer ({type(error).__name__})") from error
    found: list[dict[str, Any]] = answer.json()["contents"]
    return found
