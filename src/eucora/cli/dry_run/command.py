"""``eucora dry-run``: see what a rollout would send before it sends anything."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from eucora import bootstrap
from eucora.cli.console import MISUSED, REFUSED, fail, one_line_errors, print_json, run, say, settings
from eucora.domain.errors import DomainError
from eucora.domain.findings import UnreadableEvidence
from eucora.settings import Settings
from eucora.store.ids import RandomIds

if TYPE_CHECKING:
    from eucora.cli.as_code.file import Intended
    from eucora.cli.dry_run.run import Told


def dry_run(
    file: Annotated[Path, typer.Option("--file", "-f", help="The deployment intent.")],
    intent: Annotated[
        UUID | None,
        typer.Option(help="Id of the intent, where it is proposed already: what it made on the planes is looked for."),
    ] = None,
    bodies: Annotated[bool, typer.Option(help="Show what each write says.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print every request that a rollout would send to Intune and Jamf Pro, in order. Nothing is written anywhere.

    Works with the planes' own settings (INTUNE_…, JAMF_…) and needs no database: the connectors sign in and read as a
    rollout does, and their writes are shown and answered on this machine. <new app> and the like stand for ids that
    only the vendor can give. Exit code 1: something would keep the rollout from going through.

    Example: eucora dry-run -f edge-tunnel.yaml
    """
    with one_line_errors():
        found = settings()
        from eucora.cli.as_code.file import IntentFileInvalid, read_intent

        try:
            intended = read_intent(file)
        except IntentFileInvalid as error:
            fail(str(error), MISUSED)
        from eucora.cli.dry_run import report

        try:
            told = run(_go(found, intended, intent))
        except DomainError as error:
            fail(f"{file}: {error.message}")
        except UnreadableEvidence as error:
            fail(f"{file}: {error}")
        if as_json:
            print_json(report.document(told))
        else:
            for line in report.lines(told, bodies=bodies):
                say(line)
    if told.problems:
        raise typer.Exit(REFUSED)


async def _go(found: Settings, intended: "Intended", intent: UUID | None) -> "Told":
    from eucora.cli.dry_run.run import dry_run as go

    async with bootstrap.dry_run_planes(found) as connected:
        if not connected:
            fail("no plane is set up in this environment: set INTUNE_… or JAMF_…, see docs/connectors", MISUSED)
        with tempfile.TemporaryDirectory(prefix="eucora-dry-run-") as folder:
            return await go(
                intended,
                connected,
                Path(folder),
                bootstrap.SystemClock(),
                RandomIds(),
                intent_id=None if intent is None else str(intent),
            )
