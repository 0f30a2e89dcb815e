"""No text of a problem document opens anything, whoever wrote it: who asked, a file, a vendor, or we."""

import json
from dataclasses import replace

import pytest

from eucora.api.problems import Problem, Row, document

PLAIN = Problem(Row(422, "made-up", "Made up", "#/name"), "Name it otherwise.", {"field": "name", "given": 5})


def rendered(problem: Problem, instance: str = "/x") -> str:
    return document(problem, instance, "c").decode()


@pytest.mark.parametrize(
    "problem",
    [
        replace(PLAIN, detail="You gave client_secret=canary-in-a-detail."),
        replace(PLAIN, facts={"given": "../password=canary-in-a-fact.pkg"}),
        replace(PLAIN, facts={"files": [{"entry": ("a", "https://user:canary-in-a-list@x.example")}]}),
        replace(PLAIN, errors=[{"pointer": "#/a", "detail": "Authorization: Bearer canary-in-an-error"}]),
    ],
)
def test_a_secret_is_taken_out_wherever_it_stands(problem: Problem) -> None:
    text = rendered(problem)
    assert "canary" not in text
    assert "[redacted]" in text
    assert "canary" not in rendered(PLAIN, "/api/v1/x?sig=canary-in-the-instance")


@pytest.mark.parametrize(
    "told", ["Basic authentication is needed.", "Name another group than eucora_platform_administrators."]
)
def test_our_own_words_are_no_secrets(told: str) -> None:
    assert json.loads(rendered(replace(PLAIN, detail=told)))["detail"] == told


def test_everything_else_stays_as_it_is() -> None:
    assert json.loads(rendered(PLAIN)) == {
        "field": "name",
        "given": 5,
        "errors": [{"pointer": "#/name", "detail": "Name it otherwise."}],
        "type": "urn:eucora:problem:made-up",
        "title": "Made up",
        "status": 422,
        "detail": "Name it otherwise.",
        "instance": "/x",
        "correlation_id": "c",
    }
