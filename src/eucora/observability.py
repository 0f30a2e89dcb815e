"""Logs as one JSON object a line, and traces and metrics where an exporter is configured."""

import contextlib
import json
import logging
import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog
from opentelemetry import metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from structlog.typing import EventDict, Processor

from eucora.log_records import allow_list, exceptions, of_library, trace_ids
from eucora.spans import AllowedSpans

if TYPE_CHECKING:
    from fastapi import FastAPI

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
_log = structlog.get_logger("eucora")


# ASCII only: whatever ends a line for some reader (U+2028, U+0085) is an escape in it.
_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False, default=lambda value: type(value).__name__)


def _line(_: Any, __: str, record: EventDict) -> str:
    return _json.encode(record)


_CHAIN: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    _stamp,
    trace_ids,
    exceptions,
    allow_list,
)


class _OneLine(logging.Formatter):
    """Records of libraries, through the same allow-list and the same renderer."""

    def format(self, record: logging.LogRecord) -> str:
        found = structlog.contextvars.merge_contextvars(None, "", of_library(record))
        found = trace_ids(None, "", _stamp(None, "", found))
        return _line(None, "", allow_list(None, "", found))


class _StandardError(logging.StreamHandler[Any]):
    """Looked up at each record: whoever replaces standard error meanwhile gets what is written after that."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


class _Bearing:
    """Standard error as above, for structlog. A closed terminal or a full disk ends a record and nothing else.

    Whoever logs is about to do something that matters more, such as to stop.
    """

    def write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure_logs(level: str) -> None:
    """One JSON object a line on standard error, whoever writes it. Libraries' own records stay at warning and above."""
    structlog.configure(
        processors=[*_CHAIN, _line],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: structlog.WriteLogger(cast("TextIO", _Bearing())),
        cache_logger_on_first_use=False,
    )
    handler = _StandardError()
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def faults_as_records() -> None:
    """What nobody caught, and warnings, are records, too, and not pages on standard error. For processes that stay."""

    def failed(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        _log.error("process_failed", exc_info=error)

    def thread_failed(arguments: threading.ExceptHookArgs) -> None:
        _log.error("thread_failed", exc_info=arguments.exc_value)

    logging.captureWarnings(True)
    sys.excepthook = failed
    threading.excepthook = thread_failed


def configure_traces(service: str) -> bool:
    """Traces as ``OTEL_TRACES_EXPORTER`` asks: ``console`` writes spans to standard error, anything else none.

    Whether traces are on. The connectors' own spans follow the provider that is set here.
    """
    if os.environ.get("OTEL_TRACES_EXPORTER", "none") != "console":
        return False
    from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(AllowedSpans(ConsoleSpanExporter(out=sys.stderr))))
    trace.set_tracer_provider(provider)
    AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]  # the package carries no types
    return True


def configure_metrics(service: str) -> bool:
    """Metrics as ``OTEL_METRICS_EXPORTER`` asks: ``console`` writes them to standard error once a minute, else none.

    Whether metrics are on. The instruments of the connectors (``eucora.upstream.*``) follow the provider set here.
    """
    if os.environ.get("OTEL_METRICS_EXPORTER", "none") != "console":
        return False
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import DropAggregation, View

    reader = PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr))
    # Ours alone: the instrumentations' own metrics carry whole targets.
    views = [
        View(meter_name="opentelemetry.instrumentation.fastapi", instrument_name="*", aggregation=DropAggregation()),
        View(meter_name="opentelemetry.instrumentation.httpx", instrument_name="*", aggregation=DropAggregation()),
    ]
    metrics.set_meter_provider(MeterProvider([reader], Resource.create({"service.name": service}), views=views))
    return True


def trace_requests(app: "FastAPI") -> None:
    """One span a request, where traces are on."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"])
