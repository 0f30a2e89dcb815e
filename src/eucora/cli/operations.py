"""Commands of operation: migrate, openapi, token, events, projections, jobs. Each answers and ends."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import alembic.util.exc
import typer
from rich.table import Column, Table

from eucora import bootstrap
from eucora.api.compatibility import breaks
from eucora.application.replay import replay_log
from eucora.application.service_tokens import COMMAND_LINE, IssuedToken, issue_token_as
from eucora.application.world import Caller
from eucora.bootstrap import Runtime
from eucora.cli.console import MISUSED, fail, keep_generated, one_line_errors, out, print_json, run, say, settings
from eucora.cli.within import with_runtime
from eucora.domain.people import ANY, Grant, Person, Role, Scope
from eucora.store import migrate as migrations

NUMBER_MAX: Final = 2**63 - 1  # of a position, and of a job's id: a bigint of Postgres
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

projections = typer.Typer(help="Read models: where they stand, and how to build them anew.", no_args_is_help=True)
jobs = typer.Typer(help="Background jobs: what waits, what gave up.", no_args_is_help=True)


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Leave a named database as it is; fail when tables and migrations differ.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the schema of this version.

    Example: EUCORA_DATABASE_URL=postgresql://… eucora migrate
    """
    with one_line_errors():
        found = settings()
        with bootstrap.database(found, migrated=not check, new=True) as url:
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
                say(f"The database is at revision {revision}.")


def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the file is out of date.")] = False,
    path: Annotated[Path, typer.Option(help="Where the description is kept.")] = Path("openapi/eucora.json"),
    compare: Annotated[
        Path | None, typer.Option(help="Write nothing; fail when clients of this older description would break.")
    ] = None,
) -> None:
    """Write the OpenAPI description of the API.

    Example: eucora openapi --check
    """
    with one_line_errors():
        text = bootstrap.openapi()
        if compare is not None:
            _compare(compare, text)
        else:
            keep_generated(path, text, check=check)


def _compare(older: Path, text: str) -> None:
    try:
        found = breaks(json.loads(older.read_text()), json.loads(text))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:  # JSON of any other shape, too
        fail(f"{older} is no description of an API ({error}); name the openapi/eucora.json of a release", MISUSED)
    for one in found:
        say(one)
    if found:
        fail(f"{len(found)} things would break clients that were written by {older}")
    say(f"Nothing breaks clients that were written by {older}.")


def token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Annotated[list[Role], typer.Option(help="A role it holds; may be given several times.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is good for.")] = 90,
    business_unit: Annotated[str, typer.Option(help="Business unit of the scope.")] = ANY,
    boundary: Annotated[str, typer.Option(help="Acquisition boundary of the scope.")] = ANY,
    site: Annotated[str, typer.Option(help="Site of the scope.")] = ANY,
    as_json: Json = False,
) -> None:
    """Issue a service token. It is shown once.

    Example: eucora token siem-export --role auditor --days 30
    """
    scope = Scope(business_unit, boundary, site)
    grants = tuple(Grant(one, scope) for one in role)

    async def issue(runtime: Runtime) -> tuple[IssuedToken, datetime]:
        operator = Caller(Person(COMMAND_LINE, "command line", ()), str(runtime.world.ids.new()))
        expires_at = runtime.world.clock.now() + timedelta(days=days)
        issued = await issue_token_as(
            runtime.world, operator, name=name, grants=grants, expires_at=expires_at,
            held=tuple(Grant(one) for one in Role),
        )  # fmt: skip
        return issued, expires_at

    issued, expires_at = with_runtime(issue, new=True)
    if as_json:  # in the words of the API
        print_json({"id": issued.receipt.id, "secret": issued.secret, "expires_at": expires_at})
    else:
        until = f"{expires_at:%Y-%m-%dT%H:%M:%SZ}"
        say(f"{issued.secret}\nGood until {until}. It is not shown again.")


def events(
    after: Annotated[
        int, typer.Option(min=-1, max=NUMBER_MAX, help="Begin behind this position; -1 begins at the first.")
    ] = -1,
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

    with_runtime(export)


def replay(as_json: Json = False) -> None:
    """Decide again everything on record, under its own policy versions, and compare. Nothing is written.

    Example: eucora replay --json
    """
    found = with_runtime(lambda runtime: replay_log(runtime.world))
    if as_json:
        print_json(asdict(found))
    else:
        for kind, count in found.decisions.items():
            say(f"{count} × {kind}")
        for line in (*found.differences, *(f"left out: {told}" for told in found.left_out)):
            say(line)
        say(f"{len(found.differences)} came out otherwise.")
    if found.differences:
        raise typer.Exit(1)


@projections.command("list")
def list_projections(as_json: Json = False) -> None:
    """Where each read model stands.

    Example: eucora projections list
    """

    async def ask(runtime: Runtime) -> list[dict[str, Any]]:
        return [asdict(lag) | {"behind": lag.behind} for lag in await runtime.runner.lag()]

    rows = with_runtime(ask)
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

    position = with_runtime(rebuild)
    say(f"{name} was rebuilt up to position {position}.")


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

    rows = with_runtime(ask)
    if as_json:
        print_json(rows)
        return
    if not rows:
        say(f"No {state} jobs.")
        return
    table = Table("id", "kind", Column("intent", no_wrap=True, min_width=36), "attempts", "last error")
    for row in rows:
        attempts = f"{row['attempt']} of {row['attempts_max']}"
        table.add_row(str(row["id"]), row["kind"], row["intent_id"], attempts, row["last_error"] or "")
    out.print(table)


@jobs.command("retry")
def retry_job(
    job_id: Annotated[int, typer.Argument(min=0, max=NUMBER_MAX, help="As 'eucora jobs list' shows it.")],
) -> None:
    """Give a dead job its attempts back.

    Example: eucora jobs retry 17
    """

    async def revive(runtime: Runtime) -> bool:
        return await runtime.queue.revive(job_id, runtime.world.clock.now())

    if not with_runtime(revive):
        fail(f"no dead job {job_id}; 'eucora jobs list' shows those that there are")
    say(f"Job {job_id} waits for a worker.")
