"""Logs as one JSON object a line, and traces and metrics where an exporter is configured."""

import logging
import os
import sys
from typing import TYPE_CHECKING

import structlog
from opentelemetry import metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

if TYPE_CHECKING:
    from fastapi import FastAPI

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _trace_ids(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record["trace_id"], record["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return record


def configure_logs(level: str) -> None:
    """JSON lines on standard error. Libraries' own records (httpx writes whole URLs) stay at warning and above."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _trace_ids,
            # Without locals: a frame's variables hold tokens and whole documents.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        # Looked up at each record: whoever replaces standard error meanwhile gets what is written after that.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), stream=sys.stderr, format="%(message)s", force=True)


def configure_traces(service: str) -> bool:
    """Traces as ``OTEL_TRACES_EXPORTER`` asks: ``console`` writes spans to standard error, anything else none.

    Whether traces are on. The connectors' own spans follow the provider that is set here.
    """
    if os.environ.get("OTEL_TRACES_EXPORTER", "none") != "console":
        return False
    from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
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

    reader = PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr))
    metrics.set_meter_provider(MeterProvider([reader], Resource.create({"service.name": service})))
    return True


def trace_requests(app: "FastAPI") -> None:
    """One span a request, where traces are on."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"])
