"""Commands that open the installation, ask it something, and end."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from eucora import bootstrap
from eucora.bootstrap import Runtime
from eucora.cli.console import fail, one_line_errors, run, settings
from eucora.domain.errors import DomainError

T = TypeVar("T")


def with_runtime(use: Callable[[Runtime], Coroutine[Any, Any, T]], *, new: bool = False) -> T:
    """Open the runtime, run ``use(runtime)``, and turn refusals into one line.

    ``new``: the embedded database may be made for it. Otherwise a folder without one is told: whoever only looks has
    named the wrong folder.
    """
    with one_line_errors():
        found = settings()
        home = found.data_dir
        if not new and found.database is None and not (home / "postgres").exists():
            fail(f"EUCORA_DATA_DIR={home}: no database is there; name another folder, or make one with 'eucora up'")
        with bootstrap.database(found, migrated=False) as url:

            async def main() -> T:
                async with bootstrap.runtime(found, url) as runtime:
                    return await use(runtime)

            try:
                return run(main())
            except DomainError as error:
                fail(error.message)
