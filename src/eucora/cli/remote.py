"""What commands that ask a service over HTTP share: which one, as whom, and how its refusals end."""

import json
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import httpx
import typer

from eucora.cli.console import MISUSED, REFUSED, fail, one_line_errors, run
from eucora.client import Api, Away, Failed, Problem, ServiceToken, Session
from eucora.connectors.redaction import redact, without_known

T = TypeVar("T")
LOCAL: Final = "http://127.0.0.1:8080"  # where serve listens unless told otherwise
SLIP: Final = "request-invalid"  # the type of a problem that lies in what was typed
Server = Annotated[str, typer.Option(envvar="EUCORA_SERVER", help="Address of the service.")]
Token = Annotated[str, typer.Option(envvar="EUCORA_TOKEN", help="A service token, or a bearer token of your provider.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def ask(server: str, token: str, use: Callable[[Session], Awaitable[T]], *, as_json: bool) -> T:
    """What ``use`` makes of a session. A refusal ends the command with one line and 1, a slip in its options with 2.

    ``as_json``: the line is the service's problem document, as standard output holds answers alone.
    """
    if not token:
        fail(
            "--token is empty; EUCORA_TOKEN or --token names a service token, or a bearer token of your provider",
            MISUSED,
        )
    if re.fullmatch(r"[!-~]+", token) is None:
        fail("--token is no token: letters, digits and signs without spaces, on one line", MISUSED)

    shown = redact(server)  # a proxy before it may want a password

    async def within() -> T:
        async with httpx.AsyncClient(trust_env=False) as http:
            try:
                return await use(Session(Api(server, http), ServiceToken(token), "command line"))
            except Away as error:
                fail(f"{error}; asked at {shown}: start it there, or name its address (--server, EUCORA_SERVER)")
            except Problem as problem:
                code = MISUSED if problem.type == SLIP else REFUSED
                if as_json:
                    print(without_known(json.dumps(problem.document)), file=sys.stderr)
                    raise typer.Exit(code) from None
                fail(str(problem), code)
            except Failed as error:
                fail(str(error))
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:  # the last: of its name
                fail(f"--server {shown}: {error}", MISUSED)

    with one_line_errors():
        return run(within())
