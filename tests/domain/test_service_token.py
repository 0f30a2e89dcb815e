"""Service token: named, limited in what it may do and for how long; nobody grants what he does not hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from given import given

from eucora.domain import service_token as tok
from eucora.domain.people import Grant, Role, Scope
from eucora.domain.reasons import ReasonMissing
from eucora.domain.service_token import DECIDER

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
EMEA = Grant(Role.PUBLISHER, Scope("emea"))
ISSUE = tok.IssueToken("t-1", "pipeline", (EMEA,), "a" * 64, NOON + YEAR, (Grant(Role.PUBLISHER),), "idp|ada", NOON)
REVOKE = tok.RevokeToken("idp|ada", "laptop stolen", NOON)
NOTHING = given(DECIDER)
ISSUED = NOTHING.and_when(ISSUE)


def test_a_token_is_issued_once_and_holds_until_its_expiry() -> None:
    NOTHING.when(ISSUE).then(tok.ServiceTokenIssued("t-1", "pipeline", (EMEA,), "a" * 64, NOON + YEAR, "idp|ada", NOON))
    ISSUED.when(replace(ISSUE, at=NOON + timedelta(seconds=1))).then()
    ISSUED.when(replace(ISSUE, secret_sha256="b" * 64)).then_refuses(tok.TokenIdTaken)
    assert ISSUED.state.valid(NOON + YEAR - timedelta(seconds=1))
    assert not ISSUED.state.valid(NOON + YEAR)
    assert not NOTHING.state.valid(NOON)


def test_a_token_has_a_name_and_a_role() -> None:
    NOTHING.when(replace(ISSUE, name=" ")).then_refuses(tok.TokenNameMissing)
    NOTHING.when(replace(ISSUE, grants=())).then_refuses(tok.GrantsMissing)


@pytest.mark.parametrize("held", [(), (Grant(Role.AUDITOR),), (Grant(Role.PUBLISHER, Scope("apac")),)])
def test_you_cannot_grant_what_you_do_not_hold(held: tuple[Grant, ...]) -> None:
    refusal = NOTHING.when(replace(ISSUE, held=held)).then_refuses(tok.GrantNotHeld)
    assert refusal.facts["grants"] == ["publisher in emea/*/*"]


def test_you_cannot_widen_your_own_scope() -> None:
    wide = replace(ISSUE, grants=(Grant(Role.PUBLISHER),), held=(EMEA,))
    NOTHING.when(wide).then_refuses(tok.GrantNotHeld)


@pytest.mark.parametrize("lasts", [timedelta(0), -timedelta(days=1), YEAR + timedelta(seconds=1)])
def test_a_token_ends_in_the_future_and_within_a_year(lasts: timedelta) -> None:
    NOTHING.when(replace(ISSUE, expires_at=NOON + lasts)).then_refuses(tok.TokenExpiryInvalid)


def test_a_token_that_issues_tokens_lends_for_its_own_time_only() -> None:
    month = NOON + timedelta(days=30)
    of_a_token = replace(ISSUE, held_until=month)
    refusal = NOTHING.when(of_a_token).then_refuses(tok.TokenOutlivesGranter)
    assert refusal.facts["latest"] == month.isoformat()
    NOTHING.when(replace(of_a_token, expires_at=month)).then(
        tok.ServiceTokenIssued("t-1", "pipeline", (EMEA,), "a" * 64, month, "idp|ada", NOON)
    )


def test_a_token_says_under_which_trust_it_was_exchanged() -> None:
    exchanged = NOTHING.and_when(replace(ISSUE, trust_id="w-1")).state.issued
    assert exchanged is not None
    assert exchanged.trust_id == "w-1"
    ISSUED.when(replace(ISSUE, trust_id="w-1")).then_refuses(tok.TokenIdTaken)


def shown(**changes: object) -> tok.ServiceToken:
    """A token of platform administration, good until a month from noon."""
    month = NOON + timedelta(days=30)
    event = tok.ServiceTokenIssued("t-0", "parent", (EMEA,), "c" * 64, month, "idp|ada", NOON)
    return tok.ServiceToken(issued=replace(event, **changes))  # type: ignore[arg-type]  # fields of the event


def test_a_token_says_with_which_one_it_was_issued() -> None:
    child = NOTHING.and_when(replace(ISSUE, shown=shown())).state.issued
    assert child is not None
    assert child.issued_with == "t-0"
    ISSUED.when(replace(ISSUE, shown=shown())).then_refuses(tok.TokenIdTaken)
    assert ISSUED.state.issued is not None
    assert ISSUED.state.issued.issued_with == "", "who signed in shows none"


@pytest.mark.parametrize("made_with", [{"issued_with": "t-00"}, {"trust_id": "w-1"}], ids=["a token", "a trust"])
def test_what_was_made_with_a_credential_issues_nothing_itself(made_with: dict[str, str]) -> None:
    refusal = NOTHING.when(replace(ISSUE, shown=shown(**made_with))).then_refuses(tok.TokenHandsNothingOn)
    assert "sign in" in refusal.message


def test_a_token_that_ended_meanwhile_issues_nothing() -> None:
    for ended in (
        replace(shown(), revoked=True),
        shown(expires_at=NOON),
        tok.ServiceToken(),
    ):
        NOTHING.when(replace(ISSUE, shown=ended)).then_refuses(tok.ShownTokenOver)
    NOTHING.and_when(replace(ISSUE, shown=shown(expires_at=NOON + timedelta(seconds=1))))


def test_a_revoked_token_is_void() -> None:
    ISSUED.when(REVOKE).then(tok.ServiceTokenRevoked("idp|ada", "laptop stolen", NOON))
    revoked = ISSUED.and_when(REVOKE)
    assert not revoked.state.valid(NOON)
    revoked.when(REVOKE).then()
    ISSUED.when(replace(REVOKE, reason="")).then_refuses(ReasonMissing)
    NOTHING.when(REVOKE).then_refuses(tok.TokenUnknown)
