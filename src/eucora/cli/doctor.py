"""``eucora doctor``: is everything here that a rollout needs, and what to do where it is not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

import typer

from eucora.api.auth.keys import ProviderKeys
from eucora.application.checkups import ChecksUp, Health
from eucora.bootstrap import Runtime
from eucora.cli.console import print_json, say
from eucora.cli.within import with_runtime
from eucora.settings import Settings
from eucora.store import migrate as migrations
from eucora.store.s3_artifacts import ArtifactStoreAway
from eucora.unsafe_settings import hosts_of

BEHIND: Final = timedelta(seconds=30)  # a worker that runs has folded an event long before
NO_FILE: Final = "0" * 64  # the digest of nothing that anybody has


@dataclass(frozen=True, slots=True)
class Finding:
    """``ok``: nothing is wrong; ``note``: and it is still worth knowing."""

    check: str
    ok: bool
    told: str
    note: bool = False

    @property
    def level(self) -> str:
        """LOOK, note or ok."""
        return "LOOK" if not self.ok else "note" if self.note else "ok"


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Check settings, database, files, read models, sign-in and planes, and say what to do. Nothing is changed.

    Each connected plane is asked for its lists, and what the connection may do is compared with what rollouts need.

    Example: eucora doctor --json
    """
    found = with_runtime(examine)
    if as_json:
        print_json([{"check": one.check, "ok": one.ok, "level": one.level, "told": one.told} for one in found])
    else:
        for one in found:
            say(f"{one.level:4} {one.check}: {one.told}")
    if not all(one.ok for one in found):
        raise typer.Exit(1)


async def examine(runtime: Runtime) -> list[Finding]:
    """All findings, in the order in which they are told."""
    looks = (_database(runtime), _files(runtime), _read_models(runtime), _work(runtime), _planes(runtime))
    return [finding for look in (*looks, _sign_in(runtime)) async for finding in look]


async def _database(runtime: Runtime) -> AsyncIterator[Finding]:
    yield Finding("settings", True, f"data in {runtime.settings.data_dir}, {_place(runtime.settings)}")
    revision, newest = await migrations.current(runtime.url), migrations.newest()
    way_out = "" if revision == newest else ": run 'eucora migrate' of the newest version that is in use"
    yield Finding("schema", not way_out, f"revision {revision}, newest {newest}{way_out}")
    # One statement: between two somebody may append, and a log in use would look torn.
    [[counted, head]] = await runtime.pool.fetch("select (select count(*) from event), next - 1 from log_head")
    way_out = "" if counted == head + 1 else ": the log was changed past the service, restore it from a backup"
    yield Finding("positions dense", not way_out, f"{counted} events, head {head}{way_out}")


def _place(settings: Settings) -> str:
    if settings.database is None:
        return "the embedded database there"
    return f"the database at {hosts_of(settings.database)}"


async def _files(runtime: Runtime) -> AsyncIterator[Finding]:
    where = runtime.settings.artifact_store_url or "a folder of this machine"
    try:
        await runtime.world.artifacts.size(NO_FILE)
    except ArtifactStoreAway as error:
        yield Finding("artifacts", False, f"{where} does not answer: {error}")
    else:
        yield Finding("artifacts", True, where)


async def _read_models(runtime: Runtime) -> AsyncIterator[Finding]:
    """One that stands still while there is something to fold has no worker, or one that fails."""
    for lag in await runtime.runner.lag():
        told, ok = f"{lag.behind} events behind", not lag.error
        if lag.error:
            told = f"{lag.error}: the worker's log has the fault that it stopped at"
        elif lag.behind:
            # In a torn log nothing may follow.
            for waits in await runtime.log.read_all(lag.position, 1):
                if runtime.world.clock.now() - waits.at > BEHIND:
                    told, ok = f"{told}, the first of {waits.at:%Y-%m-%dT%H:%M:%SZ}: run 'eucora work'", False
        yield Finding(f"read model {lag.name}", ok, told)


async def _work(runtime: Runtime) -> AsyncIterator[Finding]:
    dead = await runtime.queue.list(["dead"])
    told = f"{len(dead)}: see 'eucora jobs list --state dead'" if dead else "none"
    yield Finding("dead jobs", not dead, told)


async def _planes(runtime: Runtime) -> AsyncIterator[Finding]:
    # None is needed here: 'up --lab' hands a lab's addresses to its own processes, not to this one.
    planes = ", ".join(sorted(runtime.world.planes))
    yield Finding("planes", True, planes or "none in this environment: set INTUNE_… or JAMF_…", note=not planes)
    asked: list[tuple[str, object]] = [(name.value, plane) for name, plane in sorted(runtime.world.planes.items())]
    for name, connection in [*asked, ("kandji", runtime.kandji)]:
        if isinstance(connection, ChecksUp):
            for found in await connection.check_up(correlation_id=str(runtime.world.ids.new())):
                ok, note = found.health is not Health.BAD, found.health is Health.UNKNOWN
                yield Finding(f"{name} {found.check}", ok, found.told, note=note)


async def _sign_in(runtime: Runtime) -> AsyncIterator[Finding]:
    if runtime.oidc is None:
        told = "service tokens only in this environment: EUCORA_OIDC_ISSUER is not set"
        yield Finding("sign-in", True, told, note=True)
        return
    why = await ProviderKeys(runtime.oidc, runtime.world.clock).read_now()
    issuer = runtime.oidc.issuer
    yield Finding("sign-in", not why, f"EUCORA_OIDC_ISSUER={issuer}: its keys cannot be read: {why}" if why else issuer)
