"""What commands that ask a service over HTTP share: which one, as whom, and how its refusals end."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import httpx
import typer

from eucora.cli.console import MISUSED, fail, one_line_errors, run
from eucora.client import Api, Away, Failed, ServiceToken, Session

T = TypeVar("T")
LOCAL: Final = "http://127.0.0.1:8080"  # where serve listens unless told otherwise
Server = Annotated[str, typer.Option(envvar="EUCORA_SERVER", help="Address of the service.")]
Token = Annotated[str, typer.Option(envvar="EUCORA_TOKEN", help="A service token, or a bearer token of your provider.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def ask(server: str, token: str, use: Callable[[Session], Awaitable[T]]) -> T:
    """What ``use`` makes of a session. A refusal ends the command with one line and 1, a slip in its options with 2."""
    if not token:
        fail(
            "--token is empty; EUCORA_TOKEN or --token names a service token, or a bearer token of your provider",
            MISUSED,
        )
    if re.fullmatch(r"[!-~]+", token) is None:
        fail("--token is no token: letters, digits and signs without spaces, on one line", MISUSED)

    async def within() -> T:
        async with httpx.AsyncClient(trust_env=False) as http:
            try:
                return await use(Session(Api(server, http), ServiceToken(token), "command line"))
            except Away as error:
                fail(f"{error}; asked at {server}: start it there, or name its address (--server, EUCORA_SERVER)")
            except Failed as error:
                fail(str(error))
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                fail(f"--server {server}: {error}", MISUSED)

    with one_line_errors():
        return run(within())
