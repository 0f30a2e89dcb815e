"""``eucora simulate``: a deployment intent against a synthetic fleet, in virtual time."""

import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eucora.cli.console import MISUSED, fail, one_line_errors, print_json, run, say, settings
from eucora.domain.planes import Plane

if TYPE_CHECKING:
    from eucora.cli.simulation.run import Simulated, Wish


def simulate(
    file: Annotated[Path, typer.Option("--file", "-f", help="The deployment intent.")],
    gate_policy: Annotated[
        Path | None, typer.Option(help="A gate policy to try, as JSON or YAML in the words of the API.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the fleet: the same seed, the same devices.")] = 7,
    windows: Annotated[int, typer.Option(min=568, max=100_000, help="Windows devices of the fleet.")] = 700,
    macs: Annotated[int, typer.Option(min=346, max=100_000, help="Macs of each plane that has any.")] = 460,
    failing: Annotated[str, typer.Option(help="Share of devices on which the release fails, 0 to 1.")] = "0",
    days: Annotated[int, typer.Option(min=1, max=365, help="How long to look.")] = 90,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Live through a rollout against a synthetic fleet and say what each gate would do, and when.

    The groups of the file stand for the fleet's own groups of the same ring. CAB is assumed to approve at once.

    Example: eucora simulate -f edge-tunnel.yaml --failing 0.2
    """
    with one_line_errors():
        found = settings()
        wish = _wish(file, gate_policy, seed, windows, macs, failing, days)
        from eucora.cli.simulation import report

        with tempfile.TemporaryDirectory(prefix="eucora-simulation-") as folder:
            told = _told(wish, Path(folder), found.pg_bin)
        if as_json:
            print_json(report.document(told))
        else:
            for line in report.lines(told):
                say(line)
    if told.refused:
        raise typer.Exit(1)


def _wish(file: Path, gate_policy: Path | None, seed: int, windows: int, macs: int, failing: str, days: int) -> "Wish":
    from eucora.cli.as_code.file import IntentFileInvalid, read_gate_policy, read_intent

    try:
        from eucora.cli.simulation.house import Fleet
        from eucora.cli.simulation.run import Wish
    except ModuleNotFoundError as error:
        fail(f"a simulation needs {error.name}: install 'eucora[embedded,lab]'", MISUSED)
    try:
        share = Decimal(failing)
    except InvalidOperation:
        share = Decimal(-1)
    if not share.is_finite() or not 0 <= share <= 1:
        fail(f"--failing {failing}: is a share from 0 to 1, such as 0.2", MISUSED)
    try:
        policy = None if gate_policy is None else read_gate_policy(gate_policy)
        intended = read_intent(file)
        with_intune = any(one.plane is Plane.INTUNE_MACOS for one in intended.file.installs)
        fleet = Fleet(seed, windows, macs, intune_macs=macs if with_intune else 0)
        return Wish(intended, fleet, share, days, policy)
    except IntentFileInvalid as error:
        fail(str(error), MISUSED)


def _told(wish: "Wish", folder: Path, binaries: Path | None) -> "Simulated":
    """On a server and a database of its own, which are thrown away."""
    import asyncpg

    from eucora.cli.simulation.run import simulate as live
    from eucora.store import migrate
    from eucora.store.database import APP, connected
    from eucora.store.embedded import OWNER, EmbeddedPostgres

    with EmbeddedPostgres(folder / "postgres", binaries=binaries) as server:

        async def main() -> "Simulated":
            async with connected(server.dsn(user=APP)) as pool:
                return await live(pool, folder, wish)

        async def create() -> None:
            connection = await asyncpg.connect(server.dsn("postgres"))
            try:
                await connection.execute(f"create database {OWNER}")
            finally:
                await connection.close()

        run(create())
        migrate.upgrade(server.dsn())
        return run(main())
