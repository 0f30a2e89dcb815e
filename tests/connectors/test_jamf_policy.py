"""What we change in a Classic policy, and what of it stays as others left it."""

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest

from eucora.connectors.jamf.names import content_name, policy_names, release_name, short_key, version_in
from eucora.connectors.jamf.policy import Policy, PolicySpec, ScopedGroup, new_policy, with_group, without_groups

KEY = "eucora:intent-7:" + "ab" * 32
SPEC = PolicySpec("Editor 2.1 [eucora-000000000000]", package_id="31")
CANARY, PILOT = ScopedGroup("4", "Canary"), ScopedGroup("9", "Pilot & Friends")
OTHERS = """
<all_computers>false</all_computers>
<computers><computer><id>77</id><name>Kiosk</name><udid>U-77</udid></computer></computers>
<computer_groups>
  <size>1</size>
  <computer_group><id>4</id><name>Canary</name></computer_group>
</computer_groups>
<buildings><building><id>2</id><name>Basel</name></building></buildings>
<departments/>
<limit_to_users><user_groups><user_group>Teachers</user_group></user_groups></limit_to_users>
<limitations>
  <users><user><name>ada</name></user></users>
  <network_segments><network_segment><id>5</id><name>Office</name></network_segment></network_segments>
</limitations>
<exclusions>
  <computer_groups><computer_group><id>88</id><name>Never touch</name></computer_group></computer_groups>
</exclusions>
"""


def policy(scope: str = OTHERS, *, enabled: str = "true", extra: str = "") -> Policy:
    return Policy(
        fromstring(
            f"<policy><general><id>12</id><name>{SPEC.name}</name><enabled>{enabled}</enabled>"
            "<trigger_checkin>true</trigger_checkin><frequency>Once per computer</frequency>"
            "<retry_event>check-in</retry_event><retry_attempts>3</retry_attempts>"
            "<category><id>3</id><name>Apps</name></category></general>"
            f"<scope>{scope}</scope>"
            "<package_configuration><packages><size>1</size><package><id>31</id><action>Install</action></package>"
            f"</packages></package_configuration>{extra}</policy>"
        )
    )


def canonical(element: Element | None) -> str:
    assert element is not None
    return "".join(tostring(element, encoding="unicode").split())


def test_a_group_is_added_and_the_rest_of_the_scope_goes_back_as_it_was_read() -> None:
    before = policy()
    change = with_group(before, SPEC, PILOT)
    assert change is not None
    added = {("scope/computer_groups/computer_group", "9")}
    assert Policy(change).entries == before.entries | added
    for part in ("computers", "buildings", "limit_to_users", "limitations", "exclusions"):
        assert canonical(change.find(f"scope/{part}")) == canonical(before.root.find(f"scope/{part}"))
    assert change.find("scope/computer_groups/size") is None
    assert change.find("general/category") is None  # parts that are not ours are not sent


def test_every_kind_of_scope_entry_is_seen_when_two_readings_are_compared() -> None:
    assert policy().entries >= {
        ("scope/computers/computer", "77"),
        ("scope/buildings/building", "2"),
        ("scope/limit_to_users/user_groups/user_group", "Teachers"),
        ("scope/limitations/users/user", "ada"),
        ("scope/limitations/network_segments/network_segment", "5"),
        ("scope/exclusions/computer_groups/computer_group", "88"),
    }


def test_a_policy_for_self_service_waits_for_people_and_may_be_run_again() -> None:
    spec = replace(SPEC, shown_as="Editor 2.1")
    new = new_policy(spec, CANARY)
    told = {tag: new.findtext(f"general/{tag}") for tag in ("enabled", "trigger_checkin", "frequency", "retry_event")}
    assert told == {"enabled": "true", "trigger_checkin": "false", "frequency": "Ongoing", "retry_event": "none"}
    assert new.findtext("self_service/use_for_self_service") == "true"
    assert new.findtext("self_service/self_service_display_name") == "Editor 2.1"
    assert with_group(Policy(new), spec, CANARY) is None
    hidden = fromstring(canonical(new).replace("<use_for_self_service>true", "<use_for_self_service>false"))
    change = with_group(Policy(hidden), spec, CANARY)
    assert change is not None
    assert change.findtext("self_service/use_for_self_service") == "true"
    assert new_policy(SPEC, CANARY).find("self_service") is None


def test_groups_are_kept_out_beside_those_that_others_keep_out() -> None:
    spec = replace(SPEC, excluded=(PILOT,))
    before = policy()
    assert not before.offers(spec, CANARY)
    change = with_group(before, spec, CANARY)
    assert change is not None
    assert Policy(change).entries == before.entries | {("scope/exclusions/computer_groups/computer_group", "9")}
    assert [group.id for group in Policy(change).excluded_groups] == ["88", "9"]
    assert [group.id for group in Policy(new_policy(spec, CANARY)).excluded_groups] == ["9"]
    assert with_group(Policy(new_policy(spec, CANARY)), spec, CANARY) is None


def test_a_new_policy_asks_for_inventory_and_a_change_leaves_that_as_people_set_it() -> None:
    assert new_policy(SPEC, CANARY).findtext("maintenance/recon") == "true"
    change = with_group(policy(extra="<maintenance><recon>false</recon></maintenance>"), SPEC, PILOT)
    assert change is not None
    assert change.find("maintenance") is None


def test_a_policy_that_stands_as_wanted_is_not_written() -> None:
    assert with_group(policy(), SPEC, CANARY) is None


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(policy(enabled="false"), id="turned off"),
        pytest.param(
            Policy(fromstring(canonical(policy().root).replace("check-in</retry_event>", "none</retry_event>"))),
            id="retry",
        ),
    ],
)
def test_a_switch_that_somebody_turned_is_turned_back(changed: Policy) -> None:
    change = with_group(changed, SPEC, CANARY)
    assert change is not None
    assert change.findtext("general/enabled") == "true"
    assert change.findtext("general/retry_event") == "check-in"
    assert [group.id for group in Policy(change).groups] == ["4"]


def test_a_missing_package_is_put_back_beside_what_others_added() -> None:
    root = policy().root
    package = root.find("package_configuration/packages/package/id")
    assert package is not None
    package.text = "99"
    change = with_group(Policy(root), SPEC, CANARY)
    assert change is not None
    assert [p.findtext("id") for p in change.iterfind("package_configuration/packages/package")] == ["99", "31"]


def test_a_removal_policy_runs_the_command_and_keeps_the_other_file_settings() -> None:
    root = policy(
        extra="<files_processes><locate_file>/a</locate_file><run_command>old</run_command></files_processes>"
    )
    change = with_group(root, PolicySpec(SPEC.name, command='rm -rf "/Applications/E & F.app"'), CANARY)
    assert change is not None
    files = fromstring(tostring(change)).find("files_processes")
    assert files is not None
    assert files.findtext("run_command") == 'rm -rf "/Applications/E & F.app"'
    assert files.findtext("locate_file") == "/a"


def test_a_new_policy_reaches_one_group_and_nobody_else() -> None:
    created = Policy(fromstring(tostring(new_policy(SPEC, PILOT))))
    assert created.entries == {("scope/all_computers", "false"), ("scope/computer_groups/computer_group", "9")}
    assert created.offers(SPEC, PILOT)
    assert not created.offers(SPEC, CANARY)
    assert created.groups[0].name == "Pilot & Friends"


def test_one_group_is_taken_and_the_policy_stays_on_for_the_others() -> None:
    both = Policy(with_group(policy(), SPEC, PILOT) or Element("policy"))
    change, taken = without_groups(both, ["Canary"])
    assert change is not None
    assert taken == [CANARY]
    assert change.find("general") is None
    assert Policy(change).entries == both.entries - {("scope/computer_groups/computer_group", "4")}


@pytest.mark.parametrize("wanted", [None, ["4"], ["Canary", "9"]])
def test_a_policy_that_no_group_is_left_in_is_turned_off(wanted: list[str] | None) -> None:
    change, taken = without_groups(policy(), wanted)
    assert change is not None
    assert taken == [CANARY]
    assert change.findtext("general/enabled") == "false"
    assert Policy(change).entries == policy().entries - {("scope/computer_groups/computer_group", "4")}


def test_taking_what_is_not_there_changes_nothing() -> None:
    assert without_groups(policy(), ["9"]) == (None, ())
    assert without_groups(policy(scope="", enabled="false"), None) == (None, ())


def test_withdrawing_everything_turns_off_a_policy_that_others_scoped_to_single_computers() -> None:
    change, taken = without_groups(policy(scope="<computers><computer><id>77</id></computer></computers>"), None)
    assert change is not None
    assert (list(taken), change.findtext("general/enabled")) == ([], "false")
    assert Policy(change).entries == {("scope/computers/computer", "77")}


def test_names_carry_the_short_key_and_nothing_that_a_path_or_a_filter_would_read() -> None:
    name = release_name('Über/Edit*or "X"\n; DROP', "1.0/2", KEY)
    assert name == f"Über Edit or X DROP 1.0 2 [{short_key(KEY)}]"
    bare = f"A 1 [{short_key(KEY)}]"
    assert policy_names("A", "1", KEY, 1) == (bare, f"{bare} uninstall", f"{bare} self service")
    later = f"{bare} round 12"
    assert policy_names("A", "1", KEY, 12) == (later, f"{later} uninstall", f"{later} self service")
    assert len(release_name("x" * 500, "9" * 500, KEY)) <= 255
    assert content_name("Ünï code.pkg", KEY) == f"n-code-{short_key(KEY)}.pkg"
    assert content_name("../../etc/passwd", KEY) == f"passwd-{short_key(KEY)}.pkg"
    assert short_key(KEY) != short_key(KEY.replace("7", "8"))


def test_the_version_is_read_out_of_our_own_names_only() -> None:
    assert version_in(release_name("Editor", "2.1 beta", KEY), "Editor", KEY) == "2.1 beta"
    assert version_in("Editor 2.1", "Editor", KEY) == ""
