"""What a log record may hold: declared fields, bounded values, and never the end of its line.

A field that nobody declared is dropped and counted: it might be anything. Texts lose what looks like a secret, and what
this process knows as one; control characters become spaces, so that neither a line nor a terminal can be broken.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

from opentelemetry import metrics, trace
from structlog.typing import EventDict, WrappedLogger

from eucora.connectors.redaction import redact, said, without_known

WORD_MAX: Final = 200  # characters of a name, an id or a number in words
ITEMS_MAX: Final = 20
FRAMES_MAX: Final = 20
CHAIN_MAX: Final = 4  # an exception, and those that led to it

# By what they hold. Words are chosen by us, by the database or by a vendor's schema; texts may be what others wrote.
WORDS: Final = frozenset(
    {
        "event", "level", "timestamp", "logger", "trace_id", "span_id", "dropped_fields",
        "method", "route", "status", "duration_ms", "actor",
        "worker", "job", "jobs", "attempt", "intent_id", "kind", "plane", "planes", "upstream", "operation", "code",
        "state", "app", "key", "kept", "unused", "replies", "requests", "projection", "setting",
        "host", "port", "wait_s", "ahead_s", "days_left", "ends_at", "thumbprint",
    }
)  # fmt: skip
TEXTS: Final = frozenset(
    {"detail", "error", "reason", "name", "file", "path", "issuer", "correlation_id", "request_id", "exception"}
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # as str(UUID) writes it
_NUMBER_MAX: Final = 2**63
_ROOT: Final = str(Path(__file__).parents[1]) + os.sep

_dropped = metrics.get_meter("eucora").create_counter(
    "eucora.log.dropped_fields", unit="{field}", description="Fields of log records that nobody declared"
)


def allow_list(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    """Keep what is declared, within bounds; count the rest."""
    kept: EventDict = {}
    dropped = 0
    for name, value in record.items():
        if name in WORDS:
            kept[name] = _word(value)
        elif name in TEXTS:
            kept[name] = value if name == "exception" else _text(value)
        else:
            dropped += 1
    if dropped:
        kept["dropped_fields"] = dropped
        _dropped.add(dropped)
    return kept


def trace_ids(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    """The span that the record was written in, if there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record["trace_id"], record["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return record


def exceptions(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    """``exc_info`` as data: types, messages without secrets, and where it happened; never a frame's variables."""
    given = record.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        record["exception"] = told(error)
    else:
        record.pop("exception", None)  # only what is made here is bounded
    return record


def told(error: BaseException) -> list[dict[str, Any]]:
    """An exception and what led to it, the last first."""
    chain: list[dict[str, Any]] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < CHAIN_MAX:
        entry: dict[str, Any] = {"type": _word(type(seen).__name__), "said": said(seen), "at": _frames(seen)}
        if isinstance(seen, BaseExceptionGroup):
            entry["group"] = [
                {"type": _word(type(one).__name__), "said": said(one), "at": _frames(one)}
                for one in seen.exceptions[:CHAIN_MAX]
            ]
        chain.append(entry)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return chain


def _frames(error: BaseException) -> list[str]:
    return _places(error.__traceback__)


def _places(traceback: TracebackType | None) -> list[str]:
    places = [
        f"{frame.f_code.co_filename.removeprefix(_ROOT)}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(traceback)
    ]
    return [_word(place.partition("site-packages" + os.sep)[2] or place) for place in places[-FRAMES_MAX:]]


def _word(value: object) -> Any:
    if value is None or isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        word = value[:WORD_MAX]
        return word if word.isprintable() else _CONTROL.sub(" ", word)  # no control character is printable
    return _several(value, _word)


def _text(value: object) -> Any:
    if value is None or isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        # In every line of a request stands an id that we made: it has no room for what only looks like a secret.
        return without_known(value) if _ID.fullmatch(value) else redact(value)
    return _several(value, _text)


def _number(value: float | None) -> Any:
    """A number that JSON has, and that nobody has to read for long."""
    return value if value is None or -_NUMBER_MAX < value < _NUMBER_MAX else "beyond reason"


def _several(value: object, each: Any) -> Any:
    if isinstance(value, Mapping) or not isinstance(value, Iterable) or isinstance(value, bytes | bytearray):
        return type(value).__name__  # its kind is all that is safe to say
    items: list[Any] = []
    for one in value:
        if len(items) == ITEMS_MAX:
            items.append("…")
            break
        items.append(each(one) if isinstance(one, str | int | float) or one is None else type(one).__name__)
    return items


def of_library(record: logging.LogRecord) -> EventDict:
    """A record of a library that logs its own way; its text is one that others wrote."""
    try:
        message = record.getMessage()
    except Exception:  # arguments that do not fit their format are a fault of the library's, and no reason to fall
        message = "a record that cannot be read"
    found: EventDict = {"event": redact(message), "logger": record.name, "level": record.levelname.lower()}
    if record.exc_info and record.exc_info[1] is not None:
        found["exception"] = told(record.exc_info[1])
    return found
