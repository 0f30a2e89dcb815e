"""Workload trust: a CI's issuer signs for everybody, so a trust says whose job it is; nobody grants what he lacks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from given import given

from eucora.domain import workload_trust as wt
from eucora.domain.people import Grant, Role, Scope
from eucora.domain.reasons import ReasonMissing
from eucora.domain.service_token import ServiceToken, ServiceTokenIssued, ShownTokenOver, TokenHandsNothingOn
from eucora.domain.workload_trust import DECIDER, ClaimCondition, Match
from eucora.domain.workload_trust_issuers import IssuerList, problem_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PACKAGER = Grant(Role.PACKAGING_ENGINEER, Scope("retail"))
OURS = ClaimCondition("repository", "acme/notes")
TERMS = wt.Terms("notes", "https://ci.example", "eucora", (OURS,), (PACKAGER,), 900)
LISTED = IssuerList(("https://ci.example",))
MAKE = wt.MakeTrust("w-1", TERMS, (Grant(Role.PACKAGING_ENGINEER),), "https://idp.example", LISTED, "idp|ada", NOON)
REVOKE = wt.RevokeTrust("idp|ada", "the pipeline moved", NOON)
NOTHING = given(DECIDER)
MADE = NOTHING.and_when(MAKE)


def made(**changes: object) -> wt.MakeTrust:
    return replace(MAKE, terms=replace(TERMS, **changes))  # type: ignore[arg-type]  # fields of Terms


def test_a_trust_is_made_once_and_revoked_once() -> None:
    told = wt.WorkloadTrustMade("w-1", TERMS, "idp|ada", NOON)
    NOTHING.when(MAKE).then(told)
    MADE.when(replace(MAKE, at=NOON + timedelta(seconds=1))).then()
    MADE.when(made(valid_s=60)).then_refuses(wt.TrustIdTaken)
    MADE.when(REVOKE).then(wt.WorkloadTrustRevoked("idp|ada", "the pipeline moved", NOON))
    revoked = MADE.and_when(REVOKE)
    revoked.when(REVOKE).then()
    assert (MADE.state.standing(NOON), revoked.state.standing(NOON)) == (told, None)
    MADE.when(replace(REVOKE, reason=" ")).then_refuses(ReasonMissing)
    NOTHING.when(REVOKE).then_refuses(wt.TrustUnknown)


def test_a_trust_ends_when_its_maker_holds_no_more_what_it_gives() -> None:
    bounded = NOTHING.and_when(replace(MAKE, held_until=NOON + DAY)).state
    told = bounded.standing(NOON + DAY - timedelta(seconds=1))
    assert told is not None
    assert told.until == NOON + DAY
    assert bounded.standing(NOON + DAY) is None
    assert wt.ends_at(told, NOON + DAY - timedelta(seconds=60), NOON + 2 * DAY) == NOON + DAY


def test_a_trust_says_with_which_token_it_was_made_and_only_a_token_of_a_person_makes_one() -> None:
    issued = ServiceTokenIssued("t-1", "admin", (PACKAGER,), "a" * 64, NOON + DAY, "idp|ada", NOON)
    token = ServiceToken(issued=issued)
    trust = NOTHING.and_when(replace(MAKE, shown=token)).state.standing(NOON)
    assert trust is not None
    assert trust.made_with == "t-1"
    for handed_on in ({"issued_with": "t-0"}, {"trust_id": "w-0"}):
        child = ServiceToken(issued=replace(issued, **handed_on))
        NOTHING.when(replace(MAKE, shown=child)).then_refuses(TokenHandsNothingOn)
    NOTHING.when(replace(MAKE, shown=replace(token, revoked=True))).then_refuses(ShownTokenOver)


@pytest.mark.parametrize("role", Role)
def test_a_pipeline_is_given_no_role_that_judges(role: Role) -> None:
    """Its maker holds it; whoever may write to the repository would be a second one of him."""
    asked = replace(made(grants=(PACKAGER, Grant(role))), held=(Grant(Role.PACKAGING_ENGINEER), Grant(role)))
    if role in {Role.CAB_APPROVER, Role.SECURITY_REVIEWER, Role.BREAK_GLASS}:
        refusal = NOTHING.when(asked).then_refuses(wt.TrustRoleJudges)
        assert refusal.facts["roles"] == [role]
        assert role in refusal.message
    else:
        assert NOTHING.and_when(asked).state.standing(NOON) is not None


@pytest.mark.parametrize(
    "conditions",
    [
        (),
        (ClaimCondition("ref", "refs/heads/main"),),
        (ClaimCondition("environment", "prod"), ClaimCondition("workflow", "release")),
        (ClaimCondition("iss", "https://ci.example"),),
        (ClaimCondition("aud", "eucora"),),
        (ClaimCondition("sub", "repo:", Match.PREFIX),),
        (ClaimCondition("sub", "repo:/", Match.PREFIX),),
        (ClaimCondition("sub", "project_path: /", Match.PREFIX),),
        (ClaimCondition("sub", "org/", Match.PREFIX),),
        (ClaimCondition("sub", ":", Match.PREFIX),),
        (ClaimCondition("repository", "/", Match.PREFIX),),
        (ClaimCondition("repository", "", Match.PREFIX),),
    ],
)
def test_a_trust_that_does_not_say_whose_job_it_is_is_refused(conditions: tuple[ClaimCondition, ...]) -> None:
    refusal = NOTHING.when(made(conditions=conditions)).then_refuses(wt.TrustNotConditioned)
    assert "repository" in refusal.facts["claims"]


@pytest.mark.parametrize(
    "condition",
    [
        ClaimCondition("sub", "repo:acme/", Match.PREFIX),
        ClaimCondition("sub", "project_path:acme/notes:", Match.PREFIX),
        ClaimCondition("sub", "org/0b5e91c4/project/", Match.PREFIX),
        ClaimCondition("sub", "{0b5e91c4-6f00}:", Match.PREFIX),
        ClaimCondition("repository", "acme/", Match.PREFIX),
    ],
    ids=lambda one: one.value,
)
def test_a_beginning_with_a_whole_name_in_it_says_whose_job_it_is(condition: ClaimCondition) -> None:
    assert NOTHING.and_when(made(conditions=(condition,))).state.standing(NOON) is not None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": "http://ci.example"}, "issuer"),
        ({"issuer": "ci.example"}, "issuer"),
        ({"issuer": "https://ci.example?x=1"}, "issuer"),
        ({"issuer": "https://somebody@ci.example"}, "issuer"),
        ({"issuer": "https://ci.example:port"}, "issuer"),
        ({"issuer": "https://[::1"}, "issuer"),
        ({"issuer": "http://localhost.evil.example"}, "issuer"),
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


def test_an_issuer_that_the_installation_was_not_told_of_is_not_trusted() -> None:
    refusal = NOTHING.when(made(issuer="https://ci.evil.example")).then_refuses(wt.TrustIssuerNotAllowed)
    assert "EUCORA_WORKLOAD_ISSUERS" in refusal.message
    NOTHING.when(replace(MAKE, allowed=IssuerList())).then_refuses(wt.TrustIssuerNotAllowed)
    simulated = "http://127.0.0.1:9100/oidc"
    at_home = replace(made(issuer=simulated), allowed=IssuerList((simulated,)))
    assert NOTHING.and_when(at_home).state.standing(NOON) is not None


@pytest.mark.parametrize(
    ("entry", "issuer", "allowed"),
    [
        ("https://ci.example", "https://ci.example/", True),
        ("https://ci.example/", "https://ci.example", True),
        ("https://ci.example", "https://ci.example/tenant", False),
        ("https://ci.example", "https://ci.example.evil.example", False),
        ("https://ci.example", "https://ci.example:8443", False),
        ("*.ghe.com", "https://token.actions.acme.ghe.com", True),
        ("*.ghe.com", "https://token.actions.acme.ghe.com/path", True),
        ("*.ghe.com", "https://ghe.com", False),
        ("*.ghe.com", "https://evilghe.com", False),
        ("*.ghe.com", "https://acme.ghe.com.evil.example", False),
        ("*.ghe.com", "https://evil.example/.ghe.com", False),
        ("*.ghe.com", "https://acme.ghe.com:8443", False),
        ("*.ghe.com", "http://acme.ghe.com", False),
    ],
)
def test_an_issuer_is_listed_to_the_letter_or_below_a_name(entry: str, issuer: str, allowed: bool) -> None:
    assert problem_of(entry) is None
    assert IssuerList(("https://another.example", entry)).allows(issuer) is allowed


@pytest.mark.parametrize(
    "entry",
    ["*", "*.", "*.com", "*.*.com", "*.ghe.com/x", "ci.example", "http://ci.example", "ftp://ci.example", "https://",
     "https://ci.example?x", "https://u@ci.example", "https://ci.example:port", "https://[::1", "*.GHE.com"],
)  # fmt: skip
def test_an_entry_that_would_let_everybody_in_or_nobody_is_none(entry: str) -> None:
    assert problem_of(entry) is not None


def test_keys_are_fetched_from_where_a_listed_issuer_is() -> None:
    listed = IssuerList(("https://ci.example/oidc", "https://git.example:8443", "*.ghe.com"))
    for there in (("https", "ci.example", 443), ("https", "git.example", 8443), ("https", "acme.ghe.com", 443)):
        assert listed.reaches(*there)
    for elsewhere in (
        ("http", "ci.example", 80),
        ("https", "ci.example", 8443),
        ("https", "evil.example", 443),
        ("https", "git.example", 443),
        ("https", "ghe.com", 443),
        ("https", ".ghe.com", 443),
    ):
        assert not listed.reaches(*elsewhere)


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
    trust = wt.WorkloadTrustMade("w-1", TERMS, "idp|ada", NOON)
    assert wt.ends_at(trust, NOON, NOON + timedelta(hours=5)) == NOON + timedelta(seconds=900)
    assert wt.ends_at(trust, NOON, NOON + timedelta(seconds=300)) == NOON + timedelta(seconds=300)


def test_a_token_of_a_ci_becomes_one_of_ours_at_the_most() -> None:
    """By its own id, where the issuer gave it one; else by what is signed."""
    claims = {"iss": "https://ci.example", "sub": "repo:acme/notes", "jti": "j-1"}
    same = wt.exchanged_as(claims, "header.body")
    assert UUID(same)
    assert wt.exchanged_as(claims | {"exp": 7}, "header.other") == same
    without = {"iss": "https://ci.example"}
    all_of_them = [
        same,
        wt.exchanged_as(claims | {"jti": "j-2"}, "header.body"),
        wt.exchanged_as(claims | {"iss": "https://other.example"}, "header.body"),
        wt.exchanged_as(without, "header.body"),
        wt.exchanged_as(without, "header.other"),
        wt.exchanged_as(without, "j-1"),
        wt.exchanged_as(claims | {"jti": "\ud800"}, "header.body"),
    ]
    assert len({*all_of_them}) == len(all_of_them)
    for no_id in (None, "", 7, ["j-1"]):
        assert wt.exchanged_as(without | {"jti": no_id}, "header.body") == wt.exchanged_as(without, "header.body")
