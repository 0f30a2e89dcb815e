"""Which exceptions a proposal rests on, and when they stop to cover it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eucora.domain.exception_needs import (
    ExceptionNeed,
    declared_scope,
    excepted,
    lapsed,
    needs_of,
    scope_words,
    told,
    waived,
)
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.people import Scope
from eucora.domain.risk_types import FindingCounts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CVE, OTHER = ExceptionKind.VULNERABILITY, ExceptionKind.UNSIGNED_PACKAGE
FACT = ExceptionFact("x-1", CVE, ExceptionStatus.APPROVED, ("CVE-1", "CVE-2"), NOON + 30 * DAY)


def test_only_what_is_in_force_waives() -> None:
    assert waived(CVE, (FACT,), NOON) == {"CVE-1", "CVE-2"}
    assert waived(OTHER, (FACT,), NOON) == set()
    assert waived(CVE, (FACT,), FACT.expires_at) == set()
    for status in set(ExceptionStatus) - {ExceptionStatus.APPROVED}:
        assert waived(CVE, (replace(FACT, status=status),), NOON) == set()


def test_a_need_names_the_exception_that_holds_longest() -> None:
    shorter = replace(FACT, exception_id="x-0", expires_at=NOON + DAY)
    assert needs_of([(CVE, {"CVE-1"})], (shorter, FACT), NOON) == (ExceptionNeed(CVE, ("CVE-1",), "x-1"),)


def test_several_exceptions_may_cover_what_one_does_not() -> None:
    one, two = replace(FACT, subjects=("CVE-1",)), replace(FACT, exception_id="x-2", subjects=("CVE-2",))
    needs = needs_of([(CVE, {"CVE-1", "CVE-2", "CVE-3"})], (one, two), NOON)
    assert {(need.subjects, need.exception_id) for need in needs} == {(("CVE-1",), "x-1"), (("CVE-2",), "x-2")}


def test_a_need_lapses_with_its_exception_and_a_renewal_meets_it_again() -> None:
    (need,) = needs_of([(CVE, {"CVE-1"})], (FACT,), NOON)
    assert lapsed((need,), (FACT,), FACT.expires_at - timedelta(seconds=1)) == ()
    assert lapsed((need,), (FACT,), FACT.expires_at) == (need,)
    renewed = replace(FACT, exception_id="x-9", expires_at=FACT.expires_at + DAY)
    assert lapsed((need,), (FACT, renewed), FACT.expires_at) == ()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ((FACT,), "expired at"),
        ((replace(FACT, status=ExceptionStatus.REVOKED),), "is revoked"),
        ((), "is not on record any more"),
    ],
)
def test_what_became_of_an_exception_is_told(facts: tuple[ExceptionFact, ...], words: str) -> None:
    assert words in told(ExceptionNeed(CVE, ("CVE-1",), "x-1"), facts)


@pytest.mark.parametrize(
    ("critical", "ids", "covered", "expected"),
    [
        (2, ("CVE-1", "CVE-2"), set(), 0),
        (2, ("CVE-1", "CVE-2"), {"CVE-1"}, 1),
        (2, ("CVE-1", "CVE-2"), {"CVE-1", "CVE-2"}, 2),
        (5, ("CVE-1", "CVE-2"), {"CVE-1", "CVE-2"}, 5),  # found in several components
        (5, ("CVE-1", "CVE-2"), {"CVE-1", "CVE-9"}, 1),
        (1, ("CVE-1",), {"CVE-2"}, 0),
        (200, tuple(f"CVE-{number}" for number in range(200)), {f"CVE-{number}" for number in range(200)}, 199),
    ],
)
def test_a_critical_finding_counts_as_excepted_only_by_its_id(
    critical: int, ids: tuple[str, ...], covered: set[str], expected: int
) -> None:
    assert excepted(FindingCounts(critical=critical), ids, covered).excepted == expected


def test_a_pack_that_lists_no_ids_keeps_its_own_count() -> None:
    assert excepted(FindingCounts(critical=2, excepted=2), (), {"CVE-1"}).excepted == 2


def test_a_scope_is_written_as_exceptions_name_it() -> None:
    assert scope_words(Scope("retail", "emea")) == "retail/emea/*"


@pytest.mark.parametrize(
    ("home", "sentence"),
    [
        (None, "not declared, so nobody looked whether the target retail/emea/store crosses"),
        (
            Scope("retail", "emea"),
            "declared by the requester as retail/emea/*; the target retail/emea/store lies inside",
        ),
        (
            Scope("retail", "apac"),
            "declared by the requester as retail/apac/*; the target retail/emea/store lies outside",
        ),
    ],
)
def test_where_the_application_belongs_is_told_as_what_it_is_somebodys_word(home: Scope | None, sentence: str) -> None:
    assert declared_scope(home, Scope("retail", "emea", "store")).startswith(sentence)
