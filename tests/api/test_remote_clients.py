"""Programs and operators elsewhere: the example of the papers, the command line over HTTP, pages and streams."""

import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from api_rig import ADMIN, NOBODY, OPERATOR, PACKAGER, PUBLISHER, Rig, incident_body, package
from fuzz_house import served

from databases import Database
from eucora.client import Api, Event, Problem, ServiceToken, Session

DOCS = Path(__file__).parents[2] / "docs"
Ran: TypeAlias = tuple[int, str, str]
Run: TypeAlias = Callable[..., Awaitable[Ran]]


@pytest.fixture
async def url(rig: Rig) -> AsyncIterator[str]:
    async with served(rig) as at:
        yield at


async def ended(words: Sequence[str], **environment: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *words, env=os.environ | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture
def eucora(rig: Rig, url: str) -> Run:
    """The command as an operator runs it, who knows an address and has a token."""

    async def run(*words: str, person: str = PUBLISHER) -> Ran:
        command = (sys.executable, "-m", "eucora.cli.main", *words)
        return await ended(command, EUCORA_SERVER=url, EUCORA_TOKEN=rig.token(person))

    return run


@pytest.fixture
async def session(rig: Rig, url: str) -> AsyncIterator[Session]:
    async with httpx.AsyncClient() as http:
        yield Session(Api(url, http), ServiceToken(rig.token(ADMIN)), "admin")


async def test_the_program_in_the_papers_runs(rig: Rig, url: str) -> None:
    await rig.pack()  # of the application that the program reports trouble with
    (program,) = re.findall(r"^```python\n(.*?)^```$", (DOCS / "clients.md").read_text(), flags=re.M | re.S)
    ran = await ended([sys.executable, "-c", program], EUCORA_SERVER=url, EUCORA_TOKEN=rig.token(OPERATOR))
    assert ran == (0, "True open\n", "")


async def test_a_service_that_is_away_is_told_with_its_address_and_the_setting() -> None:
    with socket.socket() as closed:  # bound and not listening: nobody else can answer there
        closed.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
        command = (sys.executable, "-m", "eucora.cli.main", "intents", "list")
        code, told, errors = await ended(command, EUCORA_SERVER=server, EUCORA_TOKEN="secret")
    assert (code, told) == (1, "")
    assert errors.count("\n") == 1
    assert f"asked at {server}: start it there, or name its address (--server, EUCORA_SERVER)" in errors


async def test_an_operator_stops_a_rollout_from_elsewhere(rig: Rig, eucora: Run) -> None:
    intent = await rig.propose()
    assert (await rig.post(f"/deployment-intents/{intent}/starts", PUBLISHER)).status_code == 201
    await rig.runner.catch_up_all()
    code, told, _ = await eucora("intents", "list", "--status", "rolling_out", "--json")
    assert (code, [row["id"] for row in json.loads(told)]) == (0, [intent])
    code, told, _ = await eucora("intents", "halt", intent, "--reason", "Sign-ins fail", "--json")
    assert (code, json.loads(told)["id"]) == (0, intent)
    await rig.runner.catch_up_all()
    code, told, _ = await eucora("intents", "show", intent)
    assert code == 0
    assert "halted" in told
    assert "held: Sign-ins fail" in told
    code, told, _ = await eucora("intents", "blockers", intent, "--json")
    assert (code, json.loads(told)["status"]) == (0, "halted")


async def test_a_refusal_is_one_line_and_1_and_a_slip_is_2(rig: Rig, eucora: Run) -> None:
    code, told, refused = await eucora("intents", "pause", NOBODY, "--reason", "Later")
    assert (code, told) == (1, "")
    assert re.fullmatch(r"eucora: [a-z-]+ \(404\): .*\n", refused)
    code, told, refused = await eucora("intents", "pause", NOBODY, "--reason", " ")
    assert (code, told, refused.startswith("eucora: --reason: say why")) == (2, "", True)
    code, *_ = await eucora("intents", "show", "no-id")
    assert code == 2


async def test_every_page_of_a_list(rig: Rig, session: Session) -> None:
    await rig.pack()
    made = {await rig.made("/incidents", OPERATOR, incident_body()) for _ in range(5)}
    await rig.runner.catch_up_all()
    assert {one["id"] async for one in session.items("/incidents", limit=2)} == made


async def test_a_stream_is_followed_from_where_one_was(rig: Rig, session: Session) -> None:
    await rig.pack()
    for _ in range(3):
        await rig.made("/incidents", OPERATOR, incident_body())
    last, seen = await rig.events() - 1, list[Event]()
    async for event in session.events("/audit/events/stream", after=last - 2):
        seen.append(event)
        if event.id == last:
            break
    assert [event.id for event in seen] == [last - 1, last]
    assert {event.data["entry"]["type"] for event in seen} == {"incident.reported"}
    with pytest.raises(Problem) as refused:
        await anext(session.events("/audit/events/stream", after=-2))
    assert refused.value.type == "request-invalid"


def test_the_commands_in_the_papers_are_the_ones_that_are_tried() -> None:
    named = {
        tuple(shlex.split(line)[1:3])
        for line in re.findall(r"^\.venv/bin/eucora intents .*$", (DOCS / "clients.md").read_text(), flags=re.M)
    }
    assert named == {("intents", one) for one in ("list", "show", "blockers", "halt", "pause", "resume")}


def blocks(paper: str) -> list[str]:
    """The shell blocks of the five things that an integrator does first."""
    first_five = paper[: paper.index("## 6. ")]
    return re.findall(r"^```sh\n(.*?)^```$", first_five, flags=re.M | re.S)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the papers call the API with curl")
async def test_the_five_things_that_an_integrator_does_first(
    rig: Rig, url: str, database: Database, tmp_path: Path
) -> None:
    """Block after block in one shell, as somebody would paste them; only the stream is left earlier."""
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, module in (("python", ""), ("eucora", " -m eucora.cli.main")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
        (tools / name).chmod(0o755)
    installer = tmp_path / "var/demo/story/FieldNotes/FieldNotes-1.4.2.pkg"
    installer.parent.mkdir(parents=True)
    installer.write_bytes(package())
    await rig.propose()
    shown = blocks((DOCS / "api.md").read_text())
    assert len(shown) == 7
    script = "\necho; echo '====='\n".join(shown).replace("-m 5", "-m 1").replace("after=41", "after=0")
    environment = {
        "API": f"{url}/api/v1",
        "PIET": rig.token(PACKAGER),
        "EUCORA_DATABASE_URL": database.url,
        "EUCORA_DATA_DIR": str(tmp_path),
    }
    _, told, errors = await ended(["bash", "-uc", f"cd {shlex.quote(str(tmp_path))}\n{script}"], **environment)
    assert errors == ""
    people, me, lists, wrote, refused, events, stream = told.split("\n=====\n")
    assert "petra.publisher" in people
    assert json.loads(me)["grants"][0]["role"] == "auditor"
    assert "next_cursor" in json.loads(lists)
    assert wrote.startswith("HTTP/1.1 201")
    assert json.loads(refused)["type"] == "urn:eucora:problem:role-missing"
    assert len(json.loads(events)["events"]) > 3
    assert "id: 1\n" in stream
