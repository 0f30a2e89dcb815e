"""Commands that open the installation, ask it something, and end."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from eucora import bootstrap
from eucora.bootstrap import Runtime
from eucora.cli.console import fail, one_line_errors, run, settings
from eucora.domain.errors import DomainError

T = TypeVar("T")


def with_runtime(use: Callable[[Runtime], Coroutine[Any, Any, T]], *, new: bool = False) -> T:
    """Open the runtime, run ``use(runtime)``, and turn refusals into one line. ``new``: see ``bootstrap.database``."""
    with one_line_errors():
        found = settings()
        with bootstrap.database(found, migrated=False, new=new) as url:

            async def main() -> T:
                async with bootstrap.runtime(found, url) as runtime:
                    return await use(runtime)

            try:
                return run(main())
            except DomainError as error:
                fail(error.message)
