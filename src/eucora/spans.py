"""What a span may carry on its way out: declared attributes, addresses without their query, no words of a statement's
values.

The instrumentations write whole addresses, and the signature of an upload's address is a credential.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from eucora.connectors.redaction import redact, without_query

VALUE_MAX: Final = 300  # characters
EVENTS_MAX: Final = 8
PLAIN: Final = frozenset(
    {
        "http.method", "http.request.method", "http.route", "http.status_code", "http.response.status_code",
        "http.scheme", "url.scheme", "http.flavor", "network.protocol.version", "http.request.resend_count",
        "net.peer.name", "net.peer.port", "server.address", "server.port", "net.host.name", "net.host.port",
        "http.host", "http.server_name", "error.type",
        "db.system", "db.name", "db.user", "db.namespace", "db.operation", "db.operation.name", "db.system.name",
        "db.statement", "db.query.text", "net.transport",
        "exception.type",
    }
)  # fmt: skip
ADDRESSES: Final = frozenset({"http.url", "url.full"})
MESSAGES: Final = frozenset({"exception.message"})


class AllowedSpans(SpanExporter):
    """Hands spans on with what is declared here and nothing else."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._inner.export([_allowed(span) for span in spans])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def _allowed(span: ReadableSpan) -> ReadableSpan:
    events = [Event(one.name[:VALUE_MAX], _attributes(one.attributes), one.timestamp) for one in span.events]
    # What a database says of a failure shows the rows that it failed at; the kind of the failure stays.
    told = None if any(_of_database(one.attributes) for one in span.events) else span.status.description
    return ReadableSpan(
        name=redact(without_query(span.name))[:VALUE_MAX],
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_attributes(span.attributes),
        events=events[:EVENTS_MAX],
        links=[Link(link.context) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code, redact(told) if told else None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _of_database(attributes: Mapping[str, Any] | None) -> bool:
    return str((attributes or {}).get("exception.type", "")).startswith("asyncpg.")


def _attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in (attributes or {}).items():
        if name in MESSAGES and _of_database(attributes):
            continue
        if name in ADDRESSES:
            kept[name] = redact(str(value).partition("?")[0])[:VALUE_MAX]
        elif name in MESSAGES or (name in PLAIN and isinstance(value, str)):
            kept[name] = redact(str(value))[:VALUE_MAX]
        elif name in PLAIN and isinstance(value, bool | int | float):
            kept[name] = value
    return kept
