"""How the two Jamf APIs say no: a JSON envelope on the Pro API, an HTML status page on the Classic API."""

from dataclasses import asdict, dataclass
from html import escape
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of ``errors`` in the Pro envelope.

    Source: schema ``ApiErrorCause`` of the Jamf Pro 11.30.1 server (``field`` is required, ``id`` may be null).
    """

    code: str
    field: str
    description: str
    id: str | None = "0"


class ProRefused(Exception):
    """The Pro API answers ``status`` with the causes; a 404 may have none."""

    def __init__(self, status: int, *causes: Cause) -> None:
        super().__init__(f"{status} {', '.join(cause.code for cause in causes)}")
        self.status, self.causes = status, causes


class ClassicRefused(Exception):
    """The Classic API answers ``status`` with a page that carries ``error``."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"{status} {error}")
        self.status, self.error = status, error


def pro_error(status: int, *causes: Cause) -> JSONResponse:
    """The Pro envelope."""
    return JSONResponse({"httpStatus": status, "errors": [asdict(cause) for cause in causes]}, status)


def classic_error(status: int, error: str) -> HTMLResponse:
    """The Classic status page: HTML whatever the caller accepts.

    Source: pages that users quote in public issues (grokability/jamf2snipe 148, grahampugh/jamf-upload 59), read
    2026-11-22.
    """
    phrase = HTTPStatus(status).phrase
    page = (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n"
        f'<p style="font-size: 1.2em;font-weight: bold;margin: 1em 0px;">{phrase}</p>\n'
        f"<p>{escape(error)}</p>\n<p>You can get technical details on the status page of this code.</p>\n"
        "</body>\n</html>\n"
    )
    return HTMLResponse(page, status)


def error_for(request: Request, status: int, code: str, description: str) -> Response:
    """The same refusal in the words of whichever API the request was for."""
    if is_classic(request.scope["path"]):
        return classic_error(status, description)
    return pro_error(status, Cause(code, "", description))


def is_classic(path: str) -> bool:
    """Whether the path belongs to the Classic API, wherever the app is mounted."""
    return "/JSSResource" in path


async def on_pro_refused(request: Request, error: Exception) -> Response:
    """Exception handler for ProRefused."""
    assert isinstance(error, ProRefused)
    return pro_error(error.status, *error.causes)


async def on_classic_refused(request: Request, error: Exception) -> Response:
    """Exception handler for ClassicRefused."""
    assert isinstance(error, ClassicRefused)
    return classic_error(error.status, error.error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Exception handler for routes that do not exist and methods that are not allowed."""
    assert isinstance(error, HTTPException)
    response = error_for(request, error.status_code, HTTPStatus(error.status_code).name, error.detail)
    response.headers.update(error.headers or {})
    return response
