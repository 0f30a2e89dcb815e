"""What the HTTP side bounds, as one value that bootstrap makes from the settings."""

from dataclasses import dataclass
from typing import Final

URL_MAX: Final = 8_192  # bytes of path and query; RFC 9110, section 4.1 asks for at least 8,000
HEADERS_MAX: Final = 32_768  # bytes of all names and values; a bearer token may take half of them (auth.compact)
HEADER_COUNT_MAX: Final = 100
HEAD_TIMEOUT_S: Final = 10.0  # for the request line and the headers together
BODY_TIMEOUT_S: Final = 20.0  # for a whole JSON body; 1 MB in it is 50 kB a second
CHUNK_TIMEOUT_S: Final = 30.0  # between two pieces of an upload
WINDOW_S: Final = 60  # of every rate limit
AROUND_MAX: Final = 16_384  # bytes of chunk sizes, chunk extensions and trailers beyond what the content itself has
LATE_MAX: Final = 1_000_000  # bytes that still come when their answer is out, so many as a body of JSON may have
LATE_TIMEOUT_S: Final = 5.0  # for these bytes
PIPELINED_MAX: Final = 4  # requests that wait on one connection for the answer to the one before
# Connections to the database that others leave to what stops harm: one for the writer of the log, one to read with.
KEPT_BACK: Final = 2


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one replica, save the rates, which all replicas share.

    ``request_s``, ``upload_s``: seconds that a request may take, and one that sends a file. ``working``, ``waiting``:
    ordinary requests at once, and in line behind them. ``rate``: requests a minute for each principal; ``guesses``:
    refused sign-ins a minute for each client address. ``streams``, ``streams_in_all``: open event streams for each
    principal, and of all together.
    ``origins``: web pages of other origins that may call, exactly as browsers name them.
    """

    request_s: float = 30.0
    upload_s: float = 900.0
    working: int = 32
    waiting: int = 256
    rate: int = 6_000
    guesses: int = 60
    streams: int = 8
    streams_in_all: int = 256
    origins: frozenset[str] = frozenset()
