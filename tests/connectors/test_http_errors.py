"""Every failure lands in one of three classes, with words that can be shown and logged."""

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from http_fakes import NOON
from structlog.testing import capture_logs

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.breaker import CircuitOpen
from eucora.connectors.correlation import correlation
from eucora.connectors.errors import classify, redact
from eucora.domain.planes import Plane


def _class_of(failure: httpx.Response | Exception) -> type[PlaneError]:
    return type(classify(Plane.INTUNE, "assign", failure))


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 504, 507, 509])
def test_what_may_pass_is_transient(status: int) -> None:
    assert _class_of(httpx.Response(status)) is PlaneUnavailable


@pytest.mark.parametrize("status", [301, 400, 404, 409, 410, 412, 415, 422])
def test_what_the_request_says_is_permanent(status: int) -> None:
    assert _class_of(httpx.Response(status)) is PlaneRejected


@pytest.mark.parametrize("status", [401, 403])
def test_what_we_may_not_do_is_for_people(status: int) -> None:
    assert _class_of(httpx.Response(status)) is PlaneForbidden


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(412, headers={"x-msft-approval-code": "0e7ab1d4-6a63-4c28-9c0e-2a6ed4a2f6a5"}),
        httpx.Response(
            400, json={"error": {"code": "BadRequest", "message": "Header x-msft-approval-justification is required"}}
        ),
        httpx.Response(
            409, json={"error": {"code": "Conflict", "message": "An active approval request already exists"}}
        ),
    ],
)
def test_an_approval_pending_at_the_vendor_is_for_people(answer: httpx.Response) -> None:
    assert _class_of(answer) is PlaneForbidden


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_no_answer_is_transient(error: httpx.TransportError) -> None:
    assert _class_of(error) is PlaneUnavailable


def test_an_open_circuit_says_when_to_come_back() -> None:
    error = classify(Plane.JAMF, "publish", CircuitOpen("jamf:acme", 41.5))
    assert isinstance(error, PlaneUnavailable)
    assert error.retry_after_s == 41.5


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("10", 10.0),
        ("2.128", 2.128),
        (format_datetime(NOON + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOON - timedelta(seconds=90), usegmt=True), 0.0),
        ("-5", 0.0),
        ("nan", None),
        ("soon", None),
        ("999999999", 86_400.0),
    ],
)
def test_retry_after_is_read_in_every_form(header: str, wait: float | None) -> None:
    error = classify(Plane.INTUNE, "observe", httpx.Response(429, headers={"Retry-After": header}), now=NOON)
    assert isinstance(error, PlaneUnavailable)
    assert error.retry_after_s == wait


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            httpx.Response(400, json={"error": {"code": "BadRequest", "message": "No such app"}}),
            "BadRequest: No such app",
        ),
        (
            httpx.Response(
                400, json={"httpStatus": 400, "errors": [{"code": "DUPLICATE_FIELD", "field": "name", "id": "0"}]}
            ),
            "DUPLICATE_FIELD name",
        ),
        (
            httpx.Response(401, json={"error": "invalid_client", "error_description": "AADSTS7000215: wrong"}),
            "invalid_client: AADSTS7000215: wrong",
        ),
    ],
)
def test_the_vendors_words_are_kept(answer: httpx.Response, words: str) -> None:
    assert words in classify(Plane.INTUNE, "publish", answer).detail


def test_an_html_page_is_not_read() -> None:
    page = httpx.Response(409, html="<html><p>Error: Duplicate name</p></html>")
    assert classify(Plane.JAMF, "assign", page).detail == "409 Conflict"


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Bearer SECRETSECRET",
        "https://blob.test/c?sv=1&sig=SECRETSECRET&se=2",
        '{"access_token": "SECRETSECRET"}',
        "client_secret=SECRETSECRET&x=1",
        '{\\"password\\":\\"SECRETSECRET\\"}',
        "token eyJhbGciOiJub25lIn0.SECRETSECRET.SECRETSECRET was refused",
    ],
)
def test_secrets_are_taken_out(secret: str) -> None:
    assert "SECRETSECRET" not in redact(secret)
    answer = httpx.Response(400, json={"error": {"code": "BadRequest", "message": secret}})
    assert "SECRETSECRET" not in str(classify(Plane.INTUNE, "publish", answer))


def test_the_detail_is_one_line_of_at_most_500_characters() -> None:
    answer = httpx.Response(400, json={"error": {"code": "BadRequest", "message": "a\r\nb\x1b[31m" + "x" * 9_000}})
    detail = classify(Plane.INTUNE, "publish", answer).detail
    assert len(detail) == 500
    assert detail.isprintable()


def test_a_failure_leaves_one_structured_record() -> None:
    with capture_logs() as records, correlation("change-7"):
        error = classify(Plane.JAMF, "withdraw", httpx.Response(503))
        assert classify(Plane.JAMF, "withdraw", error) is error
    (record,) = records
    assert record["event"] == "plane.call_failed"
    assert (record["plane"], record["operation"], record["kind"]) == ("jamf", "withdraw", "transient")
    assert (record["status"], record["correlation_id"]) == (503, "change-7")


def test_a_retry_date_is_read_by_the_answers_own_clock() -> None:
    later, sent = (format_datetime(NOON + timedelta(seconds=s), usegmt=True) for s in (45, 0))
    by_its_date = classify(Plane.INTUNE, "x", httpx.Response(503, headers={"Retry-After": later, "Date": sent}))
    assert isinstance(by_its_date, PlaneUnavailable)
    assert by_its_date.retry_after_s == 45.0
    by_none = classify(Plane.INTUNE, "x", httpx.Response(503, headers={"Retry-After": later}))
    assert isinstance(by_none, PlaneUnavailable)
    assert by_none.retry_after_s is None


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'{"other": 1}', b'{"error": null}'])
def test_a_body_of_no_known_shape_leaves_the_status(body: bytes) -> None:
    answer = httpx.Response(400, content=body, headers={"Content-Type": "application/json"})
    assert classify(Plane.INTUNE, "x", answer).detail == "400 Bad Request"


def test_a_bare_error_word_is_kept() -> None:
    assert classify(Plane.JAMF, "x", httpx.Response(400, json={"error": "bad_thing"})).detail.endswith(": bad_thing")


def test_a_412_that_is_no_approval_is_permanent() -> None:
    assert _class_of(httpx.Response(412, json={"error": {"code": "x", "message": "If-Match"}})) is PlaneRejected
