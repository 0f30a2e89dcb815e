"""Forms as browsers and clients send them: urlencoded, small, each field once."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

FORM_BYTES_MAX: Final = 16 << 10


class FormRefused(Exception):
    """The body is no proper form."""

    def __init__(self, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status


async def read_form(request: Request) -> dict[str, str]:
    """The urlencoded fields, each at most once. Raises FormRefused."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > FORM_BYTES_MAX:
            raise FormRefused("the form is too large", 413)
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise FormRefused("the body is not a form") from error
    if len(form := dict(pairs)) < len(pairs):
        raise FormRefused("a parameter is repeated")
    return form
