"""The ``eucora`` command."""

import typer

from eucora import __version__
from eucora.cli import operations, serving
from eucora.cli.as_code import commands as as_code
from eucora.cli.demo import demo
from eucora.cli.doctor import doctor
from eucora.cli.dry_run.command import dry_run
from eucora.cli.intents import intents
from eucora.cli.simulation.command import simulate

app = typer.Typer(
    name="eucora",
    help="Deployment governance for endpoint applications: evidence, approval, measured rings and proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"eucora {__version__}")
        raise typer.Exit


@app.callback()
def root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show it.")) -> None:
    """Deployment governance for endpoint applications."""


app.command()(serving.up)
app.command()(demo)
app.command()(serving.serve)
app.command()(serving.work)
app.command()(serving.lab)
app.command()(operations.migrate)
app.command()(operations.openapi)
app.command()(operations.token)
app.command()(doctor)
app.command()(operations.events)
app.command()(operations.replay)
app.command("plan")(as_code.show_plan)
app.command()(dry_run)
app.command()(as_code.apply)
app.command()(as_code.schema)
app.command()(simulate)
app.add_typer(intents, name="intents")
app.add_typer(operations.projections, name="projections")
app.add_typer(operations.jobs, name="jobs")


def main() -> None:
    """Entry point; exit code 0 done, 1 refused, 2 misused."""
    app()


if __name__ == "__main__":
    main()
