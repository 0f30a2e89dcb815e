"""The API for strangers to try everything on: served over HTTP, with something in every list.

Requests come from schemathesis in a process of its own, so that its generators and the API take a core each.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn
from access_world import seeded
from api_rig import ADMIN, Rig
from fastapi import FastAPI

from eucora.api.app import create_app
from eucora.api.limits import HttpLimits
from eucora.api.openapi import text

MANY = 10**9
HOOKS = Path(__file__).with_name("fuzz_hooks.py")
# What the schema allows may still be refused for what is on record (404, 409, 412), by whoever may not see or do it
# (401, 403), or because its fields contradict each other or name what does not exist (422). Never as unreadable (400).
ACCEPTED = (200, 201, 304, 401, 403, 404, 409, 412, 413, 414, 422, 428, 429, 502)
REJECTED = (400, 401, 403, 404, 405, 409, 412, 413, 414, 415, 422, 428, 429, 431)
EXPECTED = {"positive_data_acceptance": ACCEPTED, "negative_data_rejection": REJECTED}


@dataclass(frozen=True)
class Fuzzed:
    """What a run came to. ``answered``: how many answers of each status there were."""

    code: int
    answered: Mapping[int, int]
    output: str

    @property
    def cases(self) -> int:
        return sum(self.answered.values())


def generous(app: FastAPI) -> FastAPI:
    """The same installation for whoever asks a hundred times a second, often without a token."""
    limits = HttpLimits(rate=MANY, guesses=MANY)
    return create_app(replace(app.state.house.deps, limits=limits))


@asynccontextmanager
async def served(rig: Rig) -> AsyncIterator[str]:
    """The app on loopback, with its read models kept up, while the caller's loop runs."""
    config = uvicorn.Config(
        generous(rig.app), host="127.0.0.1", port=0, log_level="critical", lifespan="off", access_log=False
    )
    server, stop, wake = uvicorn.Server(config), asyncio.Event(), asyncio.Event()
    folding = asyncio.create_task(rig.runner.run(stop, wake))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        stop.set()
        wake.set()
        await asyncio.gather(serving, folding)


async def known(rig: Rig) -> dict[str, list[str]]:
    """Ids that stand for something, by the path parameter that names them."""
    units = await seeded(rig)
    found = {name: [unit.ids[name] for unit in units.values()] for name in units["retail"].ids}
    packs = (await rig.get("/evidence-packs")).json()["items"]
    artifacts = (await rig.get("/artifacts")).json()["items"]
    body = {"name": "siem", "grants": [{"role": "platform_admin"}], "expires_at": "2026-06-01T00:00:00Z"}
    found["token_id"] = [await rig.made("/service-tokens", ADMIN, body)]
    found["pack"] = found["other"] = [packs[0]["id"]]
    found["sha256"] = [artifacts[0]["sha256"]]
    found["version"] = ["1.0", "2.0"]
    return found


async def fuzz(
    rig: Rig,
    folder: Path,
    secret: str,
    *,
    ids: Mapping[str, Sequence[str]],
    examples: int,
    seed: int,
    phases: str = "examples,coverage,fuzzing,stateful",
) -> Fuzzed:
    """Let schemathesis try every operation, as whoever holds the token. Its files go into ``folder``."""
    described, config, told = folder / "openapi.json", folder / "schemathesis.toml", folder / "answers.ndjson"
    described.write_text(text())
    config.write_text(_config(ids, secret))
    async with served(rig) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "--config-file", str(config), "--no-color"),
            *("run", str(described), "--url", url),
            *("--checks", "all", "--phases", phases, "--max-examples", str(examples), "--seed", str(seed)),
            *("--workers", "1", "--continue-on-failure", "--generation-database", "none", "--no-shrink"),
            *("--suppress-health-check", "all", "--request-timeout", "30", "--warnings", "off"),
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS), "EUCORA_FUZZ_ANSWERS": str(told)},
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    answered = {int(status): count for status, count in json.loads(told.read_text()).items()} if told.exists() else {}
    return Fuzzed(process.returncode or 0, answered, output.decode())


def _config(ids: Mapping[str, Sequence[str]], secret: str) -> str:
    """Half of the paths name what stands there, and most If-Match a version that may be the one."""
    names = {f"path.{name}": (name, list(values), 0.6) for name, values in ids.items()}
    names["header.If-Match"] = ("etags", [f'"{number}"' for number in range(1, 5)], 0.8)
    lines = [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values, _ in names.values()]
    lines.append("[parameters]")
    lines += [
        f'"{place}" = {{ dictionary = "{name}", probability = {chance} }}' for place, (name, _, chance) in names.items()
    ]
    lines.append(f'[auth.openapi.bearer]\nbearer = "{secret}"')
    lines += [f"[checks.{check}]\nexpected-statuses = {list(statuses)}" for check, statuses in EXPECTED.items()]
    return "\n".join(lines) + "\n"
