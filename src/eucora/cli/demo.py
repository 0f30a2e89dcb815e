"""``eucora demo``: everything up on this machine, and the story told over it."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from eucora.cli.console import MISUSED, fail, one_line_errors, out, print_json, run, settings
from eucora.cli.stack import Stack, free_port
from eucora.settings import Settings
from eucora.store.embedded import EmbeddedPostgres

PACE = 1800.0  # devices check in every second or two
SEED = 7


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story instead of staying up.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, and nothing else.")] = False,
    inputs: Annotated[Path | None, typer.Option(help="Folder with an installer, its SBOM and its scan report.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what earlier demos left in <data dir>/demo.")] = False,
) -> None:
    """Tell the whole story on simulated vendors: evidence, score, approval, rings on Windows and macOS, proof.

    Its data lies in <EUCORA_DATA_DIR>/demo, which is emptied first. Exit code 1 when something did not hold.

    Example: eucora demo --once --json
    """
    with one_line_errors():
        try:
            # Not at the top: they need the extra 'lab', and whoever only serves does not have that.
            from eucora.cli.story import narration, report, teller
        except ModuleNotFoundError as error:
            fail(f"the demo needs {error.name}: install 'eucora[lab]'", MISUSED)
        found = settings()
        home = found.data_dir.absolute() / "demo"
        if not keep:
            _empty(home, found)
        try:
            plot = teller.plot_of(home / "story", inputs)
        except teller.NotTold as error:
            fail(str(error), MISUSED)
        port = _lab_port(home)
        with Stack(settings(**_own(home, found)), lab_pace=PACE, lab_seed=SEED, lab_port=port, quiet=True) as stack:
            voice = narration.narrator(out, silent=as_json)
            try:
                told = run(teller.tell_story(stack, SEED, plot, home / "story", voice))
            except teller.NotTold as error:
                fail(str(error))
            if as_json:
                print_json(report.summary(told))
            else:
                report.show(out, told)
            if not once:
                # Printed as they are: a console would break long paths and addresses to its width.
                where = sys.stderr if as_json else sys.stdout
                print(f"\nEUCORA stays up: {stack.api_url}  (Ctrl-C stops it)\nLogs in {home / 'logs'}", file=where)
                if stack.lab is not None:
                    print(f"The lab: {stack.lab.base_url}  (sign in at {stack.lab.oidc_issuer})", file=where)
                    print(f"A token for Petra, a publisher, good for 15 minutes:\n  {stack.sign_in_hint()}", file=where)
                where.flush()
                stack.wait()


def _lab_port(home: Path) -> int:
    """The port of the earlier demo that is kept, so that its people are the same; else a free one, noted for later.

    A person is issuer and subject, and the lab's issuer is its address.
    """
    noted = home / "lab.port"
    if noted.exists() and (text := noted.read_text().strip()).isdecimal():
        return int(text)
    port = free_port()
    noted.write_text(f"{port}\n")
    return port


def _own(home: Path, found: Settings) -> dict[str, object]:
    """The demo's own settings: its folder, and a free port unless one was asked for."""
    given: dict[str, object] = {"EUCORA_DATA_DIR": home}
    return given if "port" in found.model_fields_set else given | {"EUCORA_PORT": 0}


def _empty(home: Path, found: Settings) -> None:
    """Remove what an earlier demo left; a server that a killed one left running is stopped first."""
    if (home / "postgres" / "data" / "postmaster.pid").exists():
        server = EmbeddedPostgres(home / "postgres", binaries=found.pg_bin)
        server.start()
        if not server.stop():
            fail(f"another demo runs in {home}; stop it, or set EUCORA_DATA_DIR to another folder", MISUSED)
    if home.exists():
        shutil.rmtree(home)
