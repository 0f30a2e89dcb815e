"""``eucora intents``: look at rollouts of a service, and stop them, from wherever it can be reached."""

from typing import Annotated, Any, Final
from uuid import UUID

import typer

from eucora.cli.console import MISUSED, fail, print_json, say
from eucora.cli.remote import LOCAL, Json, Server, Token, ask
from eucora.client import Session

intents = typer.Typer(help="Rollouts of a service: look at them, and stop them.", no_args_is_help=True)
LISTED_MAX: Final = 100
Intent = Annotated[UUID, typer.Argument(help="As 'eucora intents list' shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded with the decision.")]
Status = Annotated[str | None, typer.Option(help="Only those of this status, such as rolling_out.")]
Application = Annotated[str | None, typer.Option(help="Only those of the application of this id.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at the most.")]


@intents.command("list")
def list_intents(
    token: Token,
    server: Server = LOCAL,
    status: Status = None,
    application: Application = None,
    limit: Limit = LISTED_MAX,
    as_json: Json = False,
) -> None:
    """Deployment intents, newest first.

    Example: eucora intents list --status rolling_out
    """

    async def read(session: Session) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        pages = session.items("/deployment-intents", status=status, application=application, limit=min(limit, 1_000))
        async for intent in pages:
            found.append(intent)
            if len(found) == limit:
                break
        return found

    rows = ask(server, token, read, as_json=as_json)
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("No deployment intents.")
        return
    for row in rows:
        at = "" if row["ring"] is None else f", ring {row['ring']}"
        verdict = f", {row['verdict']}" if row["verdict"] else ""
        release = f"{row['application']} {row['app_version']}"
        say(f"{row['id']}  {row['status']:12} {release}{at}, {row['devices']} devices{verdict}")


@intents.command("show")
def show_intent(intent: Intent, token: Token, server: Server = LOCAL, as_json: Json = False) -> None:
    """One deployment intent as it stands; with --json all of it.

    Example: eucora intents show 0199e5a4-6f00-7000-8000-000000000001
    """
    told = ask(server, token, lambda session: session.get(_path(intent)), as_json=as_json)
    if as_json:
        print_json(told)
        return
    release = told["release"]["application"]
    say(f"{release['name']} {release['version']} ({told['id']}), version {told['version']}")
    say(f"{told['status']}, approval {told['approval']['status']}, risk {told['risk']['score']}")
    for ring in told["rings"]:
        devices = sum(target["devices"] for target in ring["targets"])
        say(f"ring {ring['ring']}: {devices} devices" + (", open" if ring["ring"] == told["ring"] else ""))
    if told["hold"] is not None:
        say(f"held: {told['hold']['reason']}")


@intents.command("blockers")
def show_blockers(intent: Intent, token: Token, server: Server = LOCAL, as_json: Json = False) -> None:
    """Why an intent is not moving, and who can do something about it.

    Example: eucora intents blockers 0199e5a4-6f00-7000-8000-000000000001
    """
    told = ask(server, token, lambda session: session.get(f"{_path(intent)}/blockers"), as_json=as_json)
    if as_json:
        print_json(told)
        return
    for one in told["blockers"]:
        value = f"is {one['value']}, wanted {one['threshold']}"
        say(f"{one['condition']}: {one['verdict']}, {value}; {one['reason']} ({one['who']})")
    if not told["blockers"]:
        say(f"Nothing is in the way; the intent is {told['status']}.")


@intents.command("halt")
def halt_intent(intent: Intent, reason: Reason, token: Token, server: Server = LOCAL, as_json: Json = False) -> None:
    """Stop a rollout until somebody decides.

    Example: eucora intents halt 0199e5a4-6f00-7000-8000-000000000001 --reason "Sign-ins fail"
    """
    _decide(intent, "halts", "halted", reason, token, server, as_json)


@intents.command("pause")
def pause_intent(intent: Intent, reason: Reason, token: Token, server: Server = LOCAL, as_json: Json = False) -> None:
    """Stop offering a release for now.

    Example: eucora intents pause 0199e5a4-6f00-7000-8000-000000000001 --reason "Until the help desk is staffed"
    """
    _decide(intent, "pauses", "paused", reason, token, server, as_json)


@intents.command("resume")
def resume_intent(intent: Intent, reason: Reason, token: Token, server: Server = LOCAL, as_json: Json = False) -> None:
    """Go on after a pause or a halt, on a fresh gate run.

    Example: eucora intents resume 0199e5a4-6f00-7000-8000-000000000001 --reason "The cause was the network"
    """
    _decide(intent, "resumptions", "running again", reason, token, server, as_json)


def _decide(intent: UUID, deed: str, done: str, reason: str, token: str, server: str, as_json: bool) -> None:
    if not reason.strip():
        fail("--reason: say why in a few words; it is recorded with the decision", MISUSED)
    written = ask(
        server, token, lambda session: session.decide(_path(intent), deed, {"reason": reason}), as_json=as_json
    )
    if as_json:
        print_json(written.body)
    else:
        say(f"{intent} is {done}; it stands at version {written.version}.")


def _path(intent: UUID) -> str:
    return f"/deployment-intents/{intent}"
