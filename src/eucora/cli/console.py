"""What every command shares: how it prints, how it fails, how it runs."""

import asyncio
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console

from eucora.connectors.redaction import without_known
from eucora.observability import configure_logs
from eucora.settings import Settings, SettingsInvalid, read_settings
from eucora.store.database import UnsafeDatabase
from eucora.store.embedded import EmbeddedPostgresFailed

REFUSED, MISUSED = 1, 2
T = TypeVar("T")

out = Console()
err = Console(stderr=True)


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """One line on standard error, and the exit code: 1 refused, 2 misused."""
    print(f"eucora: {without_known(' '.join(message.split()))}", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What may go wrong in daily use ends as one line, never as a stack trace; whoever is told to stop, in order."""
    try:
        with _stopped_in_order():
            yield
    except SettingsInvalid as error:
        fail(str(error), MISUSED)
    except (UnsafeDatabase, EmbeddedPostgresFailed) as error:
        fail(str(error))
    except OSError as error:
        fail(_about_a_file(error))
    except KeyboardInterrupt as stopped:
        number = stopped.number if isinstance(stopped, Stopped) else signal.SIGINT
        raise typer.Exit(128 + number) from None


def _about_a_file(error: OSError) -> str:
    """What went wrong with which file, and the setting that led there. Raises the error anew when it names no file.

    A full disk names none, and is where an export to a file ends.
    """
    if error.errno == errno.ENOSPC and error.filename is None:
        return "no space is left where this is written (standard output, or a temporary file); make room, and try again"
    if not isinstance(error.filename, str | os.PathLike) or not error.strerror:
        raise error
    data_dir = Path(os.environ.get("EUCORA_DATA_DIR") or Settings.model_fields["data_dir"].default)
    path, home = (Path(os.path.realpath(one)) for one in (error.filename, data_dir))
    if path.is_relative_to(home) or home.is_relative_to(path):
        return f"EUCORA_DATA_DIR={data_dir}: {path}: {error.strerror}; name a folder that can be written"
    return f"{error.filename}: {error.strerror}"


def settings(**overrides: object) -> Settings:
    """Settings of this process, with its logs configured accordingly."""
    found = read_settings(**overrides)
    configure_logs(found.log_level)
    return found


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def say(line: str) -> None:
    """A line on standard output as it is: not broken to the width of a terminal, nothing in it taken for markup."""
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def print_json(value: object) -> None:
    """One JSON document on standard output; nothing else goes there in ``--json`` mode."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> str:
    if isinstance(value, datetime):  # as the API writes them (RFC 3339)
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """Told to stop, or left by its terminal, is like Ctrl-C: what was started is stopped, and nothing stays behind.

    A signal that was ignored before stays so: whoever says ``nohup`` means it. A thread has no signals of its own.
    """
    numbers = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopped(KeyboardInterrupt):
    """``number``: the signal that it was, for the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _stop(number: int, _: object) -> None:
    raise Stopped(number)


def keep_generated(path: Path, text: str, *, check: bool) -> None:
    """Write a file that is generated and committed; with ``check`` write nothing, and fail when it is out of date."""
    if check:
        if not path.exists() or path.read_bytes() != text.encode():
            fail(f"{path} is out of date: run 'make openapi' and commit it")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    say(f"Wrote {path}.")
