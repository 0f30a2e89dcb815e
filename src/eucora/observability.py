"""Logs as one JSON object a line, and traces where an exporter is configured."""

import logging
import sys

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger

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
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), stream=sys.stderr, format="%(message)s", force=True)
