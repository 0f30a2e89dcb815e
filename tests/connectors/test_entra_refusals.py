"""Entra's refusals: the word decides, the number adds the way out."""

import pytest

from eucora.connectors.entra.refusals import Verdict, number_of, verdict, way_out


@pytest.mark.parametrize(
    ("word", "number", "expected"),
    [
        ("temporarily_unavailable", 90033, Verdict.PASSES),
        ("temporarily_unavailable", None, Verdict.PASSES),
        ("server_error", 50000, Verdict.PASSES),
        ("invalid_client", 7000215, Verdict.PERSON),
        ("unauthorized_client", 700016, Verdict.PERSON),
        ("invalid_scope", 70011, Verdict.PERSON),
        ("invalid_resource", 500011, Verdict.PERSON),
        ("invalid_request", 90002, Verdict.OURS),
        ("invalid_request", 900144, Verdict.OURS),
        ("unsupported_grant_type", 70003, Verdict.OURS),
        ("", None, Verdict.PERSON),
        ("a_word_of_tomorrow", None, Verdict.PERSON),
    ],
)
def test_the_word_says_what_to_do(word: str, number: int | None, expected: Verdict) -> None:
    assert verdict(word, number) is expected


@pytest.mark.parametrize("number", [90033, 90006, 90024, 50000, 90055])
@pytest.mark.parametrize("word", ["", "invalid_request", "a_word_of_tomorrow"])
def test_a_number_decides_where_the_word_says_too_little(word: str, number: int) -> None:
    assert verdict(word, number) is Verdict.PASSES


def test_a_number_never_overrules_a_word_that_is_clear() -> None:
    assert verdict("invalid_client", 90033) is Verdict.PERSON
    assert verdict("temporarily_unavailable", 7000215) is Verdict.PASSES


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7000215, "the secret's value, not its id"),
        (7000222, "secret has expired; create a new one"),
        (700016, "INTUNE_CLIENT_ID"),
        (90002, "INTUNE_TENANT_ID"),
        (700027, "INTUNE_CLIENT_CERTIFICATE_FILE"),
        (50012, "INTUNE_CLIENT_CERTIFICATE_FILE"),
        (700024, "clock"),
        (700213, "INTUNE_FEDERATED_TOKEN_FILE"),
        (7002138, "INTUNE_FEDERATED_TOKEN_FILE"),
        (70011, "INTUNE_GRAPH_URL"),
        (500011, "INTUNE_GRAPH_URL"),
    ],
)
def test_a_known_number_names_the_way_out(number: int, words: str) -> None:
    assert words in way_out(number)


@pytest.mark.parametrize("number", [None, 0, 1, 7000219, 70002134567])
def test_a_number_that_we_do_not_know_is_not_explained(number: int | None) -> None:
    assert way_out(number) == ""


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"error_codes": [7000215], "error_description": "AADSTS1234: x"}, 7000215),
        ({"error_description": "AADSTS7000222: The secret is expired."}, 7000222),
        ({"error_codes": [], "error_description": "AADSTS90033: later"}, 90033),
        ({"error_codes": ["x"], "error_description": "no number"}, None),
        ({"error_codes": None, "error_description": None}, None),
        ({}, None),
    ],
)
def test_the_number_is_found_wherever_it_stands(body: dict[str, object], number: int | None) -> None:
    assert number_of(body) == number
