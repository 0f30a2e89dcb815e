"""Workload trust: a CI's issuer signs for everybody, so a trust says whose job it is; nobody grants what he lacks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from given import given

from eucora.domain import workload_trust as wt
from eucora.domain.people import Grant, Role, Scope
from eucora.domain.reasons import ReasonMissing
from eucora.domain.workload_trust import DECIDER, ClaimCondition, Match

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PACKAGER = Grant(Role.PACKAGING_ENGINEER, Scope("retail"))
OURS = ClaimCondition("repository", "acme/notes")
TERMS = wt.Terms("notes", "https://ci.example", "eucora", (OURS,), (PACKAGER,), 900)
MAKE = wt.MakeTrust("w-1", TERMS, (Grant(Role.PACKAGING_ENGINEER),), "https://idp.example", "idp|ada", NOON)
REVOKE = wt.RevokeTrust("idp|ada", "the pipeline moved", NOON)
NOTHING = given(DECIDER)
MADE = NOTHING.and_when(MAKE)


def made(**changes: object) -> wt.MakeTrust:
    return replace(MAKE, terms=replace(TERMS, **changes))  # type: ignore[arg-type]  # fields of Terms


def test_a_trust_is_made_once_and_revoked_once() -> None:
    NOTHING.when(MAKE).then(wt.WorkloadTrustMade("w-1", TERMS, "idp|ada", NOON))
    MADE.when(replace(MAKE, at=NOON + timedelta(seconds=1))).then()
    MADE.when(made(valid_s=60)).then_refuses(wt.TrustIdTaken)
    MADE.when(REVOKE).then(wt.WorkloadTrustRevoked("idp|ada", "the pipeline moved", NOON))
    revoked = MADE.and_when(REVOKE)
    revoked.when(REVOKE).then()
    assert (MADE.state.terms, revoked.state.terms) == (TERMS, None)
    MADE.when(replace(REVOKE, reason=" ")).then_refuses(ReasonMissing)
    NOTHING.when(REVOKE).then_refuses(wt.TrustUnknown)


@pytest.mark.parametrize(
    "conditions",
    [
        (),
        (ClaimCondition("ref", "refs/heads/main"),),
        (ClaimCondition("environment", "prod"), ClaimCondition("workflow", "release")),
        (ClaimCondition("iss", "https://ci.example"),),
        (ClaimCondition("aud", "eucora"),),
    ],
)
def test_a_trust_that_does_not_say_whose_job_it_is_is_refused(conditions: tuple[ClaimCondition, ...]) -> None:
    refusal = NOTHING.when(made(conditions=conditions)).then_refuses(wt.TrustNotConditioned)
    assert "repository" in refusal.facts["claims"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": "http://ci.example"}, "issuer"),
        ({"issuer": "ci.example"}, "issuer"),
        ({"issuer": "https://ci.example?x=1"}, "issuer"),
        ({"issuer": "https://somebody@ci.example"}, "issuer"),
        ({"issuer": "https://idp.example"}, "issuer"),
        ({"issuer": "https://idp.example/"}, "issuer"),
        ({"name": " "}, "name"),
        ({"audience": ""}, "audience"),
        ({"grants": ()}, "grants"),
        ({"valid_s": 0}, "valid_s"),
        ({"valid_s": 3_601}, "valid_s"),
        ({"conditions": (OURS, ClaimCondition("ref", ""))}, "conditions"),
        ({"conditions": (ClaimCondition("sub", "repo:acme", Match.PREFIX),)}, "conditions"),
        ({"conditions": (ClaimCondition("repository", "acme/no", Match.PREFIX),)}, "conditions"),
    ],
)
def test_terms_that_cannot_be_kept_or_let_in_too_much(changes: dict[str, object], field: str) -> None:
    refusal = NOTHING.when(made(**changes)).then_refuses(wt.TrustTermsInvalid)
    assert refusal.facts["field"] == field


@pytest.mark.parametrize("held", [(), (Grant(Role.AUDITOR),), (Grant(Role.PACKAGING_ENGINEER, Scope("logistics")),)])
def test_you_cannot_grant_what_you_do_not_hold(held: tuple[Grant, ...]) -> None:
    refusal = NOTHING.when(replace(MAKE, held=held)).then_refuses(wt.TrustGrantNotHeld)
    assert refusal.facts["grants"] == ["packaging_engineer in retail/*/*"]


@pytest.mark.parametrize(
    ("claims", "fits"),
    [
        ({"repository": "acme/notes", "sub": "repo:acme/notes:ref:main"}, True),
        ({"repository": "acme/notes", "sub": "repo:acme/notes-evil:ref:main"}, False),
        ({"repository": "acme/notes-evil", "sub": "repo:acme/notes:ref:main"}, False),
        ({"repository": ["acme/notes"], "sub": "repo:acme/notes:ref:main"}, False),
        ({"repository": "ACME/notes", "sub": "repo:acme/notes:ref:main"}, False),
        ({"sub": "repo:acme/notes:ref:main"}, False),
        ({}, False),
    ],
)
def test_every_condition_must_hold_and_only_texts_do(claims: dict[str, object], fits: bool) -> None:
    terms = replace(TERMS, conditions=(OURS, ClaimCondition("sub", "repo:acme/notes:", Match.PREFIX)))
    assert terms.fits(claims) is fits
    assert not replace(terms, conditions=()).fits(claims), "nobody made such a trust; it lets nobody in"


def test_a_token_ends_with_the_one_that_it_was_exchanged_for() -> None:
    assert wt.ends_at(TERMS, NOON, NOON + timedelta(hours=5)) == NOON + timedelta(seconds=900)
    assert wt.ends_at(TERMS, NOON, NOON + timedelta(seconds=300)) == NOON + timedelta(seconds=300)
