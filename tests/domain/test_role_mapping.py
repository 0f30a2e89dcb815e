"""Role mappings: whole versions, four eyes on each, and nobody gives what he does not hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from given import given

from eucora.domain import role_mapping as rm
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.reasons import ReasonMissing
from eucora.domain.role_mapping import DECIDER
from eucora.domain.role_rules import (
    AUDITOR_MAX,
    CLAIMS_REFUSED,
    ROLE_MAPPING_1_0,
    RoleMapping,
    RoleRule,
    not_held,
    problems_of,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY, QUARTER = timedelta(days=1), NOON + timedelta(days=90)
RETAIL = Scope("retail", "emea")
ADMINS = RoleRule("groups", "5ab3c2de-0000-4000-8000-000000000001", Role.PLATFORM_ADMIN)
BOARD = RoleRule("groups", "5ab3c2de-0000-4000-8000-000000000002", Role.CAB_APPROVER)
SELLERS = RoleRule("roles", "Sellers", Role.PUBLISHER, RETAIL)
REVIEWERS = RoleRule("groups", "External reviewers", Role.AUDITOR, until=QUARTER)
MAPPING = RoleMapping("2.0", (ADMINS, BOARD, SELLERS))
ALL = tuple(Grant(role) for role in Role)
PROPOSE = rm.ProposeRoleMapping(MAPPING, ALL, ROLE_MAPPING_1_0, "groups have ids", "idp|ada", NOON)
ACTIVATE = rm.ActivateRoleMapping("1.0", True, "idp|bo", NOON)
RETIRE = rm.RetireRoleMapping("2.0", "too wide", "idp|bo", NOON)
NOTHING = given(DECIDER)
PROPOSED = NOTHING.and_when(PROPOSE)
ACTIVE = PROPOSED.and_when(ACTIVATE)


def test_a_mapping_is_proposed_with_its_reason_and_once() -> None:
    NOTHING.when(PROPOSE).then(rm.RoleMappingProposed(MAPPING, "1.0", "groups have ids", "idp|ada", NOON))
    NOTHING.when(replace(PROPOSE, reason=" ")).then_refuses(ReasonMissing)
    PROPOSED.when(PROPOSE).then()


def test_a_version_never_changes_nor_takes_the_place_of_the_products_own() -> None:
    PROPOSED.when(replace(PROPOSE, mapping=replace(MAPPING, convention=True))).then_refuses(rm.RoleMappingVersionTaken)
    NOTHING.when(replace(PROPOSE, mapping=ROLE_MAPPING_1_0)).then_refuses(rm.RoleMappingVersionTaken)


def test_a_mapping_is_activated_by_somebody_else_than_its_proposer() -> None:
    PROPOSED.when(ACTIVATE).then(rm.RoleMappingActivated("idp|bo", NOON))
    PROPOSED.when(replace(ACTIVATE, by="idp|ada")).then_refuses(rm.ProposerMayNotActivateRoleMapping)
    ACTIVE.when(ACTIVATE).then()
    NOTHING.when(ACTIVATE).then_refuses(rm.RoleMappingUnknown)


def test_what_was_compared_with_an_older_mapping_is_not_activated() -> None:
    """Else a rule that was dropped meanwhile would come back by the word of somebody who does not hold its role."""
    PROPOSED.when(replace(ACTIVATE, standing="1.9")).then_refuses(rm.RoleMappingOutdated)


def test_what_was_replaced_says_by_what_and_stays_what_it_was() -> None:
    replaced = given(DECIDER, *PROPOSED.when(ACTIVATE).events(), rm.RoleMappingReplaced("3.0", "idp|bo", NOON)).state
    assert (replaced.replaced_by, replaced.retired) == ("3.0", False)
    of_the_product = given(DECIDER, rm.RoleMappingReplaced("2.0", "idp|bo", NOON)).state
    assert of_the_product.replaced_by == "2.0"
    assert rm.recorded_mapping(of_the_product, "1.0") == ROLE_MAPPING_1_0


def test_nobody_activates_what_takes_his_own_role_away() -> None:
    PROPOSED.when(replace(ACTIVATE, keeps=False)).then_refuses(rm.ActivatorLocksHimselfOut)


def test_a_retired_mapping_does_not_come_back() -> None:
    ACTIVE.when(RETIRE).then(rm.RoleMappingRetired("too wide", "idp|bo", NOON))
    ACTIVE.when(replace(RETIRE, reason="")).then_refuses(ReasonMissing)
    ACTIVE.and_when(RETIRE).when(RETIRE).then()
    PROPOSED.and_when(RETIRE).when(ACTIVATE).then_refuses(rm.RoleMappingOutOfUse)
    NOTHING.when(RETIRE).then_refuses(rm.RoleMappingUnknown)
    NOTHING.when(replace(RETIRE, version="1.0")).then(rm.RoleMappingRetired("too wide", "idp|bo", NOON))


HELD = [
    ((Grant(Role.PLATFORM_ADMIN), Grant(Role.CAB_APPROVER), Grant(Role.PUBLISHER)), []),
    ((Grant(Role.PLATFORM_ADMIN), Grant(Role.CAB_APPROVER), Grant(Role.PUBLISHER, Scope("retail"))), []),
    (
        (Grant(Role.PLATFORM_ADMIN), Grant(Role.CAB_APPROVER), Grant(Role.PUBLISHER, Scope("logistics"))),
        ["publisher in retail/emea/*"],
    ),
    ((Grant(Role.PLATFORM_ADMIN),), ["cab_approver in */*/*", "publisher in retail/emea/*"]),
    ((), ["platform_admin in */*/*", "cab_approver in */*/*", "publisher in retail/emea/*"]),
]


@pytest.mark.parametrize(("held", "beyond"), HELD)
def test_nobody_gives_what_he_does_not_hold(held: tuple[Grant, ...], beyond: list[str]) -> None:
    assert not_held(MAPPING, ROLE_MAPPING_1_0, Person("idp|ada", "", held)) == beyond
    if beyond:
        NOTHING.when(replace(PROPOSE, held=held)).then_refuses(rm.RuleNotHeld)


def test_what_the_mapping_in_force_gives_may_stay() -> None:
    standing = RoleMapping("1.5", MAPPING.rules, convention=True)
    nobody = Person("idp|ada", "", ())
    assert not_held(replace(MAPPING, convention=True), standing, nobody) == []
    wider = replace(SELLERS, scope=Scope("retail"))
    assert not_held(replace(MAPPING, rules=(*MAPPING.rules, wider)), standing, nobody) == ["publisher in retail/*/*"]


def test_whoever_lets_names_of_groups_count_gives_every_role() -> None:
    named, standing = replace(MAPPING, rules=(), convention=True), RoleMapping("1.5")
    lacking = tuple(grant for grant in ALL if grant.role is not Role.AUDITOR)
    assert not_held(named, standing, Person("idp|ada", "", lacking)) == ["auditor in */*/*"]
    assert not_held(named, standing, Person("idp|ada", "", ALL)) == []
    for_a_while = Person("idp|ada", "", ALL, ends=((Grant(Role.AUDITOR), QUARTER),))
    assert not_held(named, standing, for_a_while) == [f"auditor in */*/* after {QUARTER.isoformat()}"]


def ruled(*rules: RoleRule) -> RoleMapping:
    return RoleMapping("2.0", (ADMINS, BOARD, *rules))


BAD = [
    (replace(MAPPING, version=" "), "give it a version"),
    (RoleMapping("2.0", (ADMINS,)), "a rule gives cab_approver everywhere, without an end, or nobody could replace it"),
    (
        RoleMapping("2.0", (ADMINS, replace(BOARD, until=QUARTER))),
        "a rule gives cab_approver everywhere, without an end",
    ),
    (
        ruled(replace(REVIEWERS, until=None)),
        "rule 3: an auditor looks for a time: name until, by 2027-03-03T12:00:00+00:00",
    ),
    (ruled(replace(REVIEWERS, until=NOON + AUDITOR_MAX + timedelta(seconds=1))), "rule 3: an auditor looks for a time"),
    (ruled(replace(REVIEWERS, until=NOON)), "rule 3: its until is over; leave it out, or name a later end"),
    (ruled(replace(SELLERS, until=NOON - DAY)), "rule 3: its until is over"),
    (ruled(SELLERS, replace(SELLERS, until=QUARTER)), "roles Sellers gives publisher in retail/emea/* twice"),
    (RoleMapping("2.0", (BOARD,)), "a rule gives platform_admin everywhere"),
    (RoleMapping("2.0", (ADMINS, replace(BOARD, scope=RETAIL))), "a rule gives cab_approver everywhere"),
    (ruled(SELLERS, SELLERS), "roles Sellers gives publisher in retail/emea/* twice"),
    (ruled(replace(SELLERS, value="")), "rule 3: the value is a printable text"),
    (ruled(replace(SELLERS, value=" Sellers")), "without spaces around it"),
    (ruled(replace(SELLERS, value="Sell\u202eers")), "rule 3: the value is a printable text"),
    (ruled(replace(SELLERS, value="x" * 201)), "up to 200 characters"),
    (ruled(replace(SELLERS, claim="")), "a claim's name"),
    (ruled(replace(SELLERS, claim='gro"ups')), "a claim's name"),
    (ruled(replace(SELLERS, claim="gr\u00f6ups")), "a claim's name"),
    (ruled(replace(SELLERS, scope=Scope(""))), "the parts of a scope"),
    (ruled(replace(SELLERS, scope=Scope("retail", "em\x00ea"))), "the parts of a scope"),
    (ruled(*(replace(SELLERS, value=str(number)) for number in range(199))), "200 rules at the most, not 201"),
    (
        ruled(*(RoleRule("roles", f"{number:03}" + "界" * 197, Role.PUBLISHER) for number in range(100))),
        "40000 bytes at the most",
    ),
    *[
        (ruled(replace(SELLERS, claim=claim)), f"the claim {claim} gives no role")
        for claim in (*sorted(CLAIMS_REFUSED), "Email", "address.country", "realm_access.email", "Profile.x.y")
    ],
]


@pytest.mark.parametrize(("bad", "told"), BAD)
def test_a_mapping_that_cannot_hold_is_refused(bad: RoleMapping, told: str) -> None:
    assert told in "; ".join(problems_of(bad, NOON))
    NOTHING.when(replace(PROPOSE, mapping=bad)).then_refuses(rm.RoleMappingInvalid)


def test_a_mapping_may_be_as_large_as_is_said_and_claims_have_the_names_that_providers_give_them() -> None:
    claims = ("groups", "roles", "scp", "realm_access.roles", "https://eucora.example/roles", "sub", "wids")
    rules = [RoleRule(claim, f"value {number}", Role.PUBLISHER) for claim, number in product(claims, range(28))]
    assert problems_of(ruled(*rules), NOON) == []
    assert problems_of(RoleMapping("3.0", convention=True), NOON) == []


def test_an_auditor_is_given_a_time_of_a_year_at_the_most() -> None:
    for until in (NOON + timedelta(seconds=1), QUARTER, NOON + AUDITOR_MAX):
        assert problems_of(ruled(replace(REVIEWERS, until=until)), NOON) == []
    assert problems_of(ruled(replace(SELLERS, until=NOON + 10 * AUDITOR_MAX)), NOON) == [], (
        "of no other role it is asked"
    )


HOLDS = Grant(Role.AUDITOR)
HELD_FOR = [
    (Person("idp|ada", "", (HOLDS,)), []),
    (Person("idp|ada", "", (HOLDS,), ends=((HOLDS, QUARTER),)), []),
    (Person("idp|ada", "", (HOLDS,), until=QUARTER), []),
    (Person("idp|ada", "", (HOLDS,), ends=((HOLDS, QUARTER - DAY),)), [QUARTER - DAY]),
    (Person("idp|ada", "", (HOLDS,), until=QUARTER - DAY), [QUARTER - DAY]),
    (Person("idp|ada", "", (HOLDS,), until=QUARTER - DAY, ends=((HOLDS, QUARTER - 2 * DAY),)), [QUARTER - 2 * DAY]),
]


@pytest.mark.parametrize(("proposer", "ends"), HELD_FOR)
def test_nobody_gives_for_longer_than_he_holds(proposer: Person, ends: list[datetime]) -> None:
    mapping = replace(MAPPING, rules=(ADMINS, BOARD, REVIEWERS))
    standing = RoleMapping("1.5", (ADMINS, BOARD))
    told = [f"auditor in */*/* after {end.isoformat()}" for end in ends]
    assert not_held(mapping, standing, proposer) == told
    command = replace(PROPOSE, mapping=mapping, standing=standing, held=proposer.grants)
    asked = NOTHING.when(replace(command, held_until=proposer.until, ends=proposer.ends))
    if told:
        assert asked.then_refuses(rm.RuleNotHeld).facts["grants"] == told
    else:
        asked.then(rm.RoleMappingProposed(mapping, "1.5", "groups have ids", "idp|ada", NOON))


def test_of_two_holdings_the_one_that_lasts_longer_counts() -> None:
    wide, narrow = Grant(Role.PUBLISHER), Grant(Role.PUBLISHER, RETAIL)
    ends = ((wide, NOON + DAY), (narrow, QUARTER))
    holder = Person("idp|ada", "", (wide, narrow), ends=ends)
    assert holder.lends_until([narrow]) == QUARTER
    assert holder.lends_until([wide, narrow]) == NOON + DAY
    assert replace(holder, ends=ends[:1]).lends_until([narrow]) is None
    assert holder.lends_until([Grant(Role.AUDITOR)]) is None, "what he does not hold has no end, and is refused as such"


def test_a_rule_of_the_mapping_in_force_may_stay_for_as_long_as_it_would_and_no_longer() -> None:
    nobody = Person("idp|ada", "", ())
    standing = RoleMapping("1.5", (ADMINS, BOARD, REVIEWERS))
    for until, beyond in ((QUARTER, []), (QUARTER - DAY, []), (QUARTER + DAY, ["auditor in */*/*"])):
        mapping = ruled(replace(REVIEWERS, until=until))
        assert not_held(mapping, standing, nobody) == beyond
