"""``eucora plan`` and ``eucora apply``: a deployment intent as a file."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from eucora.cli.console import MISUSED, fail, keep_generated, one_line_errors, print_json, say
from eucora.cli.remote import LOCAL, Json, Server, Token, ask

if TYPE_CHECKING:
    from eucora.cli.as_code.file import Intended
    from eucora.cli.as_code.submit import Plan

# The file's words are the API's, and importing those takes a second that no other command should wait for.

SCHEMA_PATH: Final = Path("openapi/deployment-intent.schema.json")
File = Annotated[Path, typer.Option("--file", "-f", help="The deployment intent.")]


def show_plan(file: File, token: Token, server: Server = LOCAL, as_json: Json = False) -> None:
    """Show what handing in a deployment intent would change. Nothing is written.

    Example: eucora plan -f edge-tunnel.yaml
    """
    from eucora.cli.as_code.submit import plan

    with one_line_errors():
        intended = _read(file)
        planned = ask(server, token, lambda session: plan(session, intended), as_json=as_json)
        _show(planned, as_json)


def apply(
    file: File,
    token: Token,
    server: Server = LOCAL,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, whatever is removed.")] = False,
    as_json: Json = False,
) -> None:
    """Hand in a deployment intent. What is recorded already is left as it is; a plan with removals asks first.

    Example: eucora apply -f edge-tunnel.yaml --yes
    """
    from eucora.cli.as_code.submit import plan, submit

    with one_line_errors():
        intended = _read(file)
        planned = ask(server, token, lambda session: plan(session, intended), as_json=as_json)
        if not as_json:
            _show(planned, as_json)
        if not planned.proposes:
            if as_json:
                _show(planned, as_json)
            return
        if planned.removals and not yes and (as_json or not _agreed(planned)):
            fail(f"{planned.removals} removals and nobody agreed to them: look at 'eucora plan', then give --yes")
        intent = ask(server, token, lambda session: submit(session, intended, planned), as_json=as_json)
        if as_json:
            print_json(_told(planned) | {"intent": intent, "proposed": True})
        else:
            say(f"Proposed as {intent}.")


def schema(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the file is out of date.")] = False,
    path: Annotated[Path, typer.Option(help="Where the schema is kept.")] = SCHEMA_PATH,
) -> None:
    """Write the JSON Schema of the deployment intent file.

    Example: eucora schema --check
    """
    from eucora.cli.as_code.file import json_schema

    with one_line_errors():
        keep_generated(path, json_schema(), check=check)


def _read(file: Path) -> "Intended":
    from eucora.cli.as_code.file import IntentFileInvalid, read_intent

    try:
        return read_intent(file)
    except IntentFileInvalid as error:
        fail(str(error), MISUSED)


def _agreed(planned: "Plan") -> bool:
    try:
        return typer.confirm(f"{planned.removals} removals. Go on?")
    except typer.Abort:
        return False


def _told(planned: "Plan") -> dict[str, Any]:
    return {
        "intent": planned.intent,
        "status": planned.status,
        "proposed": False,
        "proposes": planned.proposes,
        "removals": planned.removals,
        "changes": [asdict(change) for change in planned.changes],
    }


def _show(planned: "Plan", as_json: bool) -> None:
    if as_json:
        print_json(_told(planned))
        return
    for change in planned.changes:
        say(change.line)
    if planned.changes:
        say(f"{len(planned.changes)} changes, {planned.removals} of them removals.")
    elif planned.proposes:
        say(f"Nothing differs from {planned.intent}, which is {planned.status}: it would be proposed again.")
    else:
        say(f"Nothing to do: {planned.intent} stands as the file says, {planned.status}.")
