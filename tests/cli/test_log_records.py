"""One line a record, whatever it was given; declared fields only; and no secret that this process knows or can tell."""

import ast
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from eucora.connectors.redaction import known_secret
from eucora.log_records import FRAMES_MAX, TEXTS, WORDS, of_library
from eucora.observability import faults_as_records
from eucora.spans import AllowedSpans

SOURCE = Path(__file__).resolve().parents[2] / "src" / "eucora"
METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "bound_contextvars"})
LOGGERS = frozenset({"_log", "_faults", "structlog.contextvars"})
# Ends a line, moves a cursor, turns the reading direction or hides text, for one reader of logs or another.
NASTY = "a\r\nb\u2028c\u2029d\x85e\x1b[2J\x1b]0;x\x07f\x00g\x0bh\x0ci\u202e\ud800"


def declared_in(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        logs = isinstance(called, ast.Attribute) and called.attr in METHODS and ast.unparse(called.value) in LOGGERS
        if logs or (isinstance(called, ast.Name) and called.id == "tell"):
            yield from (
                (keyword.arg, node.lineno) for keyword in node.keywords if keyword.arg not in (None, "exc_info")
            )


def test_every_field_that_we_write_is_declared_and_every_declared_one_is_written() -> None:
    used = {(name, f"{path.name}:{line}") for path in SOURCE.rglob("*.py") for name, line in declared_in(path)}
    assert len(used) > 60
    assert {one for one in used if one[0] not in WORDS | TEXTS} == set()
    ours = {"event", "level", "timestamp", "logger", "trace_id", "span_id", "dropped_fields", "exception"}
    of_requests = {"method", "route", "status", "duration_ms", "actor"}  # given as one mapping
    assert (WORDS | TEXTS) - {name for name, _ in used} <= ours | of_requests


def test_what_nobody_declared_is_dropped_and_counted(lines: Any) -> None:
    structlog.get_logger("test").info("job_failed", body={"password": "hunter2"}, headers=["x"], job="publish")
    (line,) = lines()
    assert {"event": "job_failed", "job": "publish", "dropped_fields": 2}.items() <= line.items()
    assert "hunter2" not in str(line)
    assert set(line) == {"event", "job", "dropped_fields", "level", "timestamp"}


def test_a_record_is_one_line_whatever_a_field_holds(lines: Any) -> None:
    fields = sorted((WORDS | TEXTS) - {"event", "exception"})
    for field in fields:
        structlog.get_logger("test").warning(f"plane {NASTY}", **{field: NASTY * 200})
    assert len(lines()) == len(fields)
    for field, line in zip(fields, lines(), strict=True):
        assert len(str(line.get(field))) <= 500
        assert not set(str(line)) & set("\r\n\x1b\x00\x07\x85\u2028\u2029")


@pytest.mark.parametrize(
    "value",
    [b"bytes", {"a": "b"}, object(), float("inf"), float("nan"), 10**400, ["x"] * 1000, [{"a": 1}], Exception("y")],
)
def test_a_value_of_any_kind_is_bounded_and_readable(lines: Any, value: object) -> None:
    structlog.get_logger("test").info("event", detail=value, app=value)
    (line,) = lines()
    assert len(json.dumps(line)) < 3_000


def test_records_of_libraries_go_the_same_way(lines: Any) -> None:
    logger = logging.getLogger("asyncpg.pool")
    # pytest keeps what is logged, and cannot hand half a surrogate pair from one process to another.
    nasty = NASTY.encode(errors="ignore").decode()
    logger.warning("lost %s\r\n%s with Bearer abcdefgh12345678", nasty, "x" * 5_000)
    misfit = logging.LogRecord("library", logging.ERROR, "x.py", 1, "%d arguments", ("no number",), None)
    try:
        raise ValueError("postgresql://app:" + "pa55word-long@db/eucora?sslpassword=x")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    logger.info("libraries' chatter is not for us")
    first, third = lines()
    assert (first["logger"], first["level"]) == ("asyncpg.pool", "warning")
    assert "abcdefgh12345678" not in first["event"]
    assert len(first["event"]) <= 500
    assert of_library(misfit)["event"] == "a record that cannot be read"
    assert third["exception"][0]["type"] == "ValueError"
    assert "pa55word-long" not in str(third)


def test_an_exception_is_told_without_variables_secrets_or_end(lines: Any) -> None:
    known_secret("canary-of-the-settings-77")

    def deep(left: int) -> None:
        password = "canary-in-a-variable"
        if left:
            deep(left - 1)
        raise RuntimeError(f"{len(password)} Authorization: Bearer canary-bearer-token-1 {NASTY * 500}")

    try:
        try:
            deep(200)
        except RuntimeError as error:
            raise ExceptionGroup("both", [ValueError("client_secret=canary-client"), KeyError("k")]) from error
    except ExceptionGroup:
        structlog.get_logger("test").exception("job_failed", detail="with canary-of-the-settings-77")
    (line,) = lines()
    assert "canary" not in json.dumps(line)
    outer, inner = line["exception"]
    assert (outer["type"], inner["type"]) == ("ExceptionGroup", "RuntimeError")
    assert [one["type"] for one in outer["group"]] == ["ValueError", "KeyError"]
    assert len(inner["at"]) == FRAMES_MAX
    assert inner["at"][-1].startswith("tests/") or "test_log_records.py" in inner["at"][-1]


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError


def test_an_exception_that_cannot_speak_is_still_told(lines: Any) -> None:
    try:
        raise Mute
    except Mute:
        structlog.get_logger("test").exception("job_failed")
    assert lines()[0]["exception"][0]["said"] == "[unreadable]"


def test_what_nobody_caught_is_one_record(lines: Any) -> None:
    faults_as_records()
    sys.excepthook(ValueError, ValueError("password=canary-uncaught"), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)

    def fails() -> None:
        raise ValueError("token=canary-thread")

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").warning("%s", "x.py:1: UserWarning: two\n  lines\n")
    process, of_thread, warning = lines()
    assert [process["event"], of_thread["event"]] == ["process_failed", "thread_failed"]
    assert warning["logger"] == "py.warnings"
    assert "canary" not in str([process, of_thread])


SECRETS = (
    "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----",
    "Cookie: JSESSIONID=canary; APBALANCEID=canary",
    "'set-cookie': 'canary=1; Secure'",
    "Authorization: Basic Y2FuYXJ5OmNhbmFyeQ==",
    "https://account.blob.core.windows.net/c/f?sv=2022&se=2026&sig=canary%2Fcanary",
    '{"client_secret": "canary", "password":"canary"}',
    "X-Vault-Token: hvs.canary",
    "https://robot:canary@proxy.example",
    "eucora_canarycanarycanary_1a2b3c",
    "eyJhbGciOiJSUzI1NiJ9.canary.canary",
    "X-Amz-Signature=canary&X-Amz-Security-Token=canary",
)


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_written_by_nobody(lines: Any, text: str) -> None:
    structlog.get_logger("test").warning("plane.call_failed", detail=f"refused: {text}")
    logging.getLogger("library").error("refused: %s", text)
    assert len(lines()) == 2
    told = json.dumps(lines())
    assert "canary" not in told
    assert "Y2FuYXJ5" not in told
    assert "[redacted]" in told


def test_a_word_that_the_bound_cuts_goes_as_a_whole(lines: Any) -> None:
    """Half a secret looks like none: a password in an address is known by what follows it."""
    structlog.get_logger("test").warning("cut", detail=f"Bearer {'a' * 3_970} https://user:canary-half@db.example/x")
    record, text = lines()[-1], json.dumps(lines()[-1])
    assert record["detail"].startswith("Bearer [redacted]")
    assert "canary" not in text
    structlog.get_logger("test").warning("cut", detail="b" * 9_000)
    assert lines()[-1]["detail"] == "b" * 500


def of_postgres(kind: type[asyncpg.PostgresError], message: str) -> asyncpg.PostgresError:
    error = kind(message)
    error.detail, error.hint = "Failing row contains (1, canary-row).", "canary-hint"
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            of_postgres(asyncpg.CheckViolationError, 'new row for relation "job" violates a check'),
            'new row for relation "job" violates a check (SQLSTATE 23514)',
        ),
        (
            of_postgres(asyncpg.InvalidTextRepresentationError, 'invalid input syntax for type uuid: "canary"'),
            "(SQLSTATE 22P02)",
        ),
        (of_postgres(asyncpg.DataError, "invalid input for query argument $1: 'canary'"), "(SQLSTATE 22000)"),
    ],
)
def test_what_a_database_says_of_rows_and_values_is_written_by_nobody(
    lines: Any, error: asyncpg.PostgresError, told: str
) -> None:
    structlog.get_logger("test").error("failed", exc_info=error)
    (failure,) = lines()[-1]["exception"]
    assert (failure["type"], failure["said"]) == (type(error).__name__, told)
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(AllowedSpans(memory)))
    with (
        pytest.raises(asyncpg.PostgresError),
        provider.get_tracer("t").start_as_current_span("insert"),
    ):
        raise error
    (span,) = memory.get_finished_spans()
    assert "canary" not in span.to_json()
    assert type(error).__name__ in span.to_json()


def test_a_span_goes_out_without_queries_bodies_and_messages() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(AllowedSpans(kept)))
    sas = "https://account.blob.core.windows.net/c/f?sv=1&sig=canary"
    with provider.get_tracer("test").start_as_current_span(
        f"PUT {sas}",
        attributes={
            "http.method": "PUT",
            "http.url": sas,
            "url.full": sas,
            "http.target": "/c/f?sig=canary",
            "url.query": "sig=canary",
            "http.request.header.authorization": ["Bearer canary"],
            "http.user_agent": "canary",
            "http.request.body": "canary",
            "http.status_code": 403,
            "db.statement.parameters": "canary",
        },
    ) as span:
        span.add_event("exception", {"exception.message": "password=canary", "exception.stacktrace": "canary"})
        span.set_status(Status(StatusCode.ERROR, f"refused: {sas}"))
    (told,) = kept.get_finished_spans()
    assert "canary" not in told.to_json()
    attributes = dict(told.attributes or {})
    assert attributes["http.url"] == "https://account.blob.core.windows.net/c/f"
    assert (attributes["http.method"], attributes["http.status_code"]) == ("PUT", 403)
