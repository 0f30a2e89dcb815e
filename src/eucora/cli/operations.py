"""Commands of operation: migrate, openapi, token, doctor, events, projections, jobs. Each answers and ends."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import alembic.util.exc
import typer
from rich.table import Table

from eucora import bootstrap
from eucora.application.checkups import ChecksUp, Health
from eucora.application.replay import replay_log
from eucora.application.service_tokens import issue_token_as
from eucora.application.world import Caller
from eucora.bootstrap import Runtime
from eucora.cli.console import MISUSED, fail, keep_generated, one_line_errors, out, print_json, run, settings
from eucora.domain.errors import DomainError
from eucora.domain.people import ANY, Grant, Person, Role, Scope
from eucora.store import migrate as migrations

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

projections = typer.Typer(help="Read models: where they stand, and how to build them anew.", no_args_is_help=True)
jobs = typer.Typer(help="Background jobs: what waits, what gave up.", no_args_is_help=True)


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when tables and migrations differ.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the schema of this version.

    Example: EUCORA_DATABASE_URL=postgresql://… eucora migrate
    """
    with one_line_errors():
        found = settings()
        with bootstrap.database(found, migrated=not check) as url:
            target = found.migration_database or url.replace("eucora_app@", "eucora@")
            if check:
                try:
                    migrations.check(target)
                except alembic.util.exc.CommandError as error:
                    fail(f"tables and migrations differ: {error}")
            revision = run(migrations.current(url))
            if as_json:
                print_json({"revision": revision, "newest": migrations.newest()})
            else:
                out.print(f"The database is at revision {revision}.")


def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the file is out of date.")] = False,
    path: Annotated[Path, typer.Option(help="Where the description is kept.")] = Path("openapi/eucora.json"),
) -> None:
    """Write the OpenAPI description of the API.

    Example: eucora openapi --check
    """
    text = bootstrap.openapi()
    keep_generated(path, text, check=check)


def token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Annotated[list[Role], typer.Option(help="A role it holds; may be given several times.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is good for.")] = 90,
    business_unit: Annotated[str, typer.Option(help="Business unit of the scope.")] = ANY,
    boundary: Annotated[str, typer.Option(help="Acquisition boundary of the scope.")] = ANY,
    as_json: Json = False,
) -> None:
    """Issue a service token. It is shown once.

    Example: eucora token siem-export --role auditor --days 30
    """
    scope = Scope(business_unit, boundary)
    grants = tuple(Grant(one, scope) for one in role)

    async def issue(runtime: Runtime) -> dict[str, str]:
        operator = Caller(Person("eucora|command-line", "command line", ()), str(runtime.world.ids.new()))
        expires_at = runtime.world.clock.now() + timedelta(days=days)
        issued = await issue_token_as(
            runtime.world, operator, name=name, grants=grants, expires_at=expires_at,
            held=tuple(Grant(one) for one in Role),
        )  # fmt: skip
        return {"id": issued.receipt.id, "token": issued.secret, "expires_at": expires_at.isoformat()}

    shown = _with_runtime(issue)
    if as_json:
        print_json(shown)
    else:
        out.print(f"{shown['token']}\nGood until {shown['expires_at']}. It is not shown again.", highlight=False)


def doctor(as_json: Json = False) -> None:
    """Check settings, database, read models and planes, and say what to do about each finding. Nothing is changed.

    Each connected plane is asked for its lists, and what the connection may do is compared with what rollouts need.

    Example: eucora doctor --json
    """

    async def examine(runtime: Runtime) -> list[dict[str, str]]:
        findings = [_finding("settings", True, f"data in {runtime.settings.data_dir}")]
        revision, newest = await migrations.current(runtime.url), migrations.newest()
        findings.append(_finding("schema", revision == newest, f"revision {revision}, newest {newest}"))
        counted = await runtime.pool.fetchval("select count(*) from event")
        head = await runtime.log.head()
        findings.append(_finding("positions dense", counted == head + 1, f"{counted} events, head {head}"))
        for lag in await runtime.runner.lag():
            told = lag.error or f"{lag.behind} events behind"
            findings.append(_finding(f"read model {lag.name}", not lag.error, told))
        dead = await runtime.queue.list(["dead"])
        findings.append(
            _finding("dead jobs", not dead, f"{len(dead)}: see 'eucora jobs list --state dead'" if dead else "none")
        )
        # Neither is needed here: 'up --lab' hands a lab's addresses to its own processes, not to this one.
        planes = ", ".join(sorted(runtime.world.planes))
        told = planes or "none in this environment: set INTUNE_… or JAMF_…"
        findings.append(_finding("planes", True, told, note=not planes))
        asked: list[tuple[str, object]] = [(name.value, plane) for name, plane in sorted(runtime.world.planes.items())]
        for name, connection in [*asked, ("kandji", runtime.kandji)]:
            if isinstance(connection, ChecksUp):
                for found in await connection.check_up(correlation_id=str(runtime.world.ids.new())):
                    told, unknown = found.told, found.health is Health.UNKNOWN
                    findings.append(
                        _finding(f"{name} {found.check}", found.health is not Health.BAD, told, note=unknown)
                    )
        issuer = runtime.settings.oidc_issuer
        told = issuer or "service tokens only in this environment: EUCORA_OIDC_ISSUER is not set"
        findings.append(_finding("sign-in", True, told, note=issuer is None))
        return findings

    found = _with_runtime(examine)
    if as_json:
        print_json(found)
    else:
        for finding in found:
            out.print(
                f"{finding['level']:4} {finding['check']}: {finding['told']}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    if any(finding["ok"] != "true" for finding in found):
        raise typer.Exit(1)


def _finding(check: str, ok: bool, told: str, *, note: bool = False) -> dict[str, str]:
    """``note``: nothing is wrong, and still worth knowing."""
    level = "LOOK" if not ok else "note" if note else "ok"
    return {"check": check, "ok": str(ok).lower(), "level": level, "told": told}


def events(
    after: Annotated[int, typer.Option(help="Begin behind this position; -1 begins at the first.")] = -1,
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = 1_000_000_000,
) -> None:
    """Print the log as JSON lines: position, then the exact entry as it is stored and hashed.

    Example: eucora events --after 41 > events.jsonl
    """

    async def export(runtime: Runtime) -> None:
        at, left = after, limit
        while left > 0:
            page = await runtime.log.read_raw(at, min(left, 1000))
            if not page:
                return
            for position, body in page:
                print(f'{{"position":{position},"entry":{body.decode()}}}')
            at, left = page[-1][0], left - len(page)

    _with_runtime(export)


def replay(as_json: Json = False) -> None:
    """Decide again everything on record, under its own policy versions, and compare. Nothing is written.

    Example: eucora replay --json
    """
    found = _with_runtime(lambda runtime: replay_log(runtime.world))
    if as_json:
        print_json(asdict(found))
    else:
        for kind, count in found.decisions.items():
            out.print(f"{count} × {kind}", highlight=False)
        for line in (*found.differences, *(f"left out: {told}" for told in found.left_out)):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        out.print(f"{len(found.differences)} came out otherwise.", highlight=False)
    if found.differences:
        raise typer.Exit(1)


@projections.command("list")
def list_projections(as_json: Json = False) -> None:
    """Where each read model stands.

    Example: eucora projections list
    """

    async def ask(runtime: Runtime) -> list[dict[str, Any]]:
        return [asdict(lag) | {"behind": lag.behind} for lag in await runtime.runner.lag()]

    rows = _with_runtime(ask)
    if as_json:
        print_json(rows)
        return
    table = Table("read model", "shape", "position", "behind", "last moved")
    for row in rows:
        moved = f"{row['updated_at'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if row["updated_at"] else "never"
        table.add_row(row["name"], str(row["version"]), str(row["position"]), str(row["behind"]), moved)
    out.print(table)


@projections.command("rebuild")
def rebuild_projection(name: Annotated[str, typer.Argument(help="As 'eucora projections list' shows it.")]) -> None:
    """Replay a read model beside the live one and swap. Readers notice nothing.

    Example: eucora projections rebuild intents
    """

    async def rebuild(runtime: Runtime) -> int:
        if name not in runtime.runner.names:
            fail(f"no read model {name!r}; there are: {', '.join(runtime.runner.names)}", MISUSED)
        return await runtime.runner.rebuild(name)

    position = _with_runtime(rebuild)
    out.print(f"{name} was rebuilt up to position {position}.")


@jobs.command("list")
def list_jobs(
    state: Annotated[str, typer.Option(help="ready, running or dead.")] = "dead", as_json: Json = False
) -> None:
    """Jobs in one state.

    Example: eucora jobs list --state dead
    """
    if state not in ("ready", "running", "dead"):
        fail(f"--state {state}: is ready, running or dead", MISUSED)

    async def ask(runtime: Runtime) -> list[dict[str, Any]]:
        return [asdict(row) for row in await runtime.queue.list([state])]

    rows = _with_runtime(ask)
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print(f"No {state} jobs.")
        return
    table = Table("id", "kind", "intent", "attempts", "last error")
    for row in rows:
        attempts = f"{row['attempt']} of {row['attempts_max']}"
        table.add_row(str(row["id"]), row["kind"], row["intent_id"], attempts, row["last_error"] or "")
    out.print(table)


@jobs.command("retry")
def retry_job(job_id: Annotated[int, typer.Argument(help="As 'eucora jobs list' shows it.")]) -> None:
    """Give a dead job its attempts back.

    Example: eucora jobs retry 17
    """

    async def revive(runtime: Runtime) -> bool:
        return await runtime.queue.revive(job_id, runtime.world.clock.now())

    if not _with_runtime(revive):
        fail(f"no dead job {job_id}")
    out.print(f"Job {job_id} waits for a worker.")


def _with_runtime(use: Callable[[Runtime], Coroutine[Any, Any, T]]) -> T:
    """Open the runtime, run ``use(runtime)``, and turn refusals into one line."""
    with one_line_errors():
        found = settings()
        with bootstrap.database(found, migrated=False) as url:

            async def main() -> T:
                async with bootstrap.runtime(found, url) as runtime:
                    return await use(runtime)

            try:
                return run(main())
            except DomainError as error:
                fail(error.message)
