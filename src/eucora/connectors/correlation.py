"""The correlation id that goes out with every request of a call."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from eucora.application.planes import PlaneError

CORRELATION_HEADER: Final = "X-Correlation-ID"
CLIENT_REQUEST_HEADER: Final = "client-request-id"  # Microsoft's own name; it has to be a GUID

_correlation: ContextVar[str | None] = ContextVar("eucora_outgoing_correlation", default=None)
_upstream: ContextVar[str] = ContextVar("eucora_called_upstream", default="")


@contextmanager
def correlation(correlation_id: str) -> Iterator[None]:
    """Every request sent inside carries ``correlation_id``; a PlaneError that comes out names it, and the upstream.

    Do not hold it open over the ``yield`` of an async generator: the generator may be closed from another context.
    """
    token, called = _correlation.set(correlation_id), _upstream.set("")
    try:
        yield
    except PlaneError as error:
        error.correlation_id = error.correlation_id or correlation_id
        error.upstream = error.upstream or called_upstream()
        raise
    finally:
        _correlation.reset(token)
        _upstream.reset(called)


def outgoing_correlation() -> str | None:
    """The id of the call in progress; None outside of one."""
    return _correlation.get()


def call_upstream(key: str) -> None:
    """The upstream that the call in progress turns to now."""
    _upstream.set(key)


def called_upstream() -> str:
    """The upstream that the call in progress turned to last; empty where it turned to none."""
    return _upstream.get()


def as_guid(correlation_id: str) -> str:
    """``correlation_id`` itself when it is a GUID, else one derived from it, so that a look-up leads back."""
    try:
        return str(uuid.UUID(correlation_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"eucora:correlation:{correlation_id}"))
