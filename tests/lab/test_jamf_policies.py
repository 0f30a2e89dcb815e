"""Classic policies of the simulated Jamf Pro server: XML in, XML or JSON out, HTML when it refuses."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from jamf_world import JSON, XML, JamfWorld, install_policy, parsed, uninstall_policy


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=400)
    async with world.http:
        await world.sign_in()
        yield world


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "<title>Status page</title>" in answer.text
    assert f"<p>{words}</p>" in answer.text


def scoped_to(groups: str) -> str:
    scope = f"<scope><computer_groups>{groups}</computer_groups></scope>"
    return f"<policy><general><name>X</name></general>{scope}</policy>"


async def value(jamf: JamfWorld, policy_id: str) -> dict[str, dict[str, Any]]:
    answer = await jamf.http.get(f"JSSResource/policies/id/{policy_id}", headers=JSON)
    assert answer.status_code == 200, answer.text
    policy: dict[str, dict[str, Any]] = answer.json()["policy"]
    return policy


async def test_a_policy_comes_back_with_its_references_by_id_and_name(jamf: JamfWorld) -> None:
    package_id = await jamf.package("Editor 2.0")
    group_id = jamf.group_id("ring-1-canary")
    policy_id = await jamf.policy(install_policy("Editor 2.0 [ab12]", package_id, group_id))

    xml = parsed(await jamf.http.get(f"JSSResource/policies/id/{policy_id}"))
    assert xml.tag == "policy"
    assert xml.findtext("general/id") == policy_id
    assert xml.findtext("general/name") == "Editor 2.0 [ab12]"
    assert xml.findtext("general/enabled") == "true"
    assert xml.findtext("scope/computer_groups/computer_group/id") == group_id
    assert xml.findtext("scope/computer_groups/computer_group/name") == "ring-1-canary"
    assert xml.findtext("package_configuration/packages/size") == "1"
    assert xml.findtext("package_configuration/packages/package/name") == "Editor 2.0"

    policy = await value(jamf, policy_id)
    assert policy["scope"]["computer_groups"] == [{"id": int(group_id), "name": "ring-1-canary"}]
    assert [(one["id"], one["action"]) for one in policy["package_configuration"]["packages"]] == [
        (int(package_id), "Install")
    ]


async def test_a_policy_is_found_by_its_name(jamf: JamfWorld) -> None:
    policy_id = await jamf.policy(uninstall_policy("Editor 2.0 [a/b]", jamf.group_id()))
    answer = await jamf.http.get("JSSResource/policies/name/Editor%202.0%20%5Ba%2Fb%5D%20uninstall")
    assert parsed(answer).findtext("general/id") == policy_id
    refused(
        await jamf.http.get("JSSResource/policies/name/Editor%202.0"),
        404,
        "The server has not found anything matching the request URI",
    )


async def test_the_list_names_the_policies_that_stand(jamf: JamfWorld) -> None:
    first = await jamf.policy(uninstall_policy("A", jamf.group_id()))
    second = await jamf.policy(uninstall_policy("B &amp; C", jamf.group_id()))
    assert (await jamf.http.delete(f"JSSResource/policies/id/{first}")).status_code == 200
    listed = await jamf.http.get("JSSResource/policies", headers=JSON)
    assert listed.json() == {"policies": [{"id": int(second), "name": "B & C uninstall"}]}
    xml = parsed(await jamf.http.get("JSSResource/policies"))
    assert (xml.tag, xml.findtext("size"), xml.findtext("policy/name")) == ("policies", "1", "B & C uninstall")


async def test_a_change_touches_only_what_it_names_and_replaces_lists_whole(jamf: JamfWorld) -> None:
    package_id = await jamf.package()
    canary, pilot = jamf.group_id("ring-1-canary"), jamf.group_id("ring-2-pilot")
    policy_id = await jamf.policy(install_policy("Editor", package_id, canary))

    assert (
        await jamf.change(policy_id, "<policy><general><enabled>false</enabled></general></policy>")
    ).status_code == 201
    after = await value(jamf, policy_id)
    assert (after["general"]["enabled"], after["general"]["name"]) == (False, "Editor")
    assert after["general"]["trigger_checkin"] is True
    assert [group["id"] for group in after["scope"]["computer_groups"]] == [int(canary)]

    scope = f"<computer_group><id>{pilot}</id></computer_group>"
    await jamf.change(policy_id, f"<policy><scope><computer_groups>{scope}</computer_groups></scope></policy>")
    after = await value(jamf, policy_id)
    assert [group["id"] for group in after["scope"]["computer_groups"]] == [int(pilot)]
    assert after["general"]["enabled"] is False


async def test_what_others_put_into_a_scope_stays(jamf: JamfWorld) -> None:
    others = (
        "<buildings><building><id>3</id><name>North</name></building></buildings>"
        "<limit_to_users><user_groups><user_group>Staff</user_group></user_groups></limit_to_users>"
        "<limitations><network_segments><network_segment><id>4</id></network_segment></network_segments></limitations>"
        "<exclusions><users><user><name>guest</name></user></users></exclusions>"
    )
    policy_id = await jamf.policy(
        install_policy("Editor", await jamf.package()).replace("</scope>", f"{others}</scope>")
    )
    await jamf.change(policy_id, scoped_to(f"<computer_group><id>{jamf.group_id()}</id></computer_group>"))
    xml = parsed(await jamf.http.get(f"JSSResource/policies/id/{policy_id}"))
    assert xml.findtext("scope/computer_groups/computer_group/id") == jamf.group_id()
    assert xml.findtext("scope/buildings/building/name") == "North"
    assert xml.findtext("scope/limit_to_users/user_groups/user_group") == "Staff"
    assert xml.findtext("scope/limitations/network_segments/network_segment/id") == "4"
    assert xml.findtext("scope/exclusions/users/user/name") == "guest"


async def test_a_name_is_taken_once_until_its_policy_is_deleted(jamf: JamfWorld) -> None:
    xml = uninstall_policy("Editor", jamf.group_id())
    first = await jamf.policy(xml)
    refused(await jamf.http.post("JSSResource/policies/id/0", content=xml, headers=XML), 409, "Error: Duplicate name")
    other = await jamf.policy(uninstall_policy("Other", jamf.group_id()))
    refused(await jamf.change(other, xml), 409, "Error: Duplicate name")
    assert (await jamf.change(first, xml)).status_code == 201
    await jamf.http.delete(f"JSSResource/policies/id/{first}")
    assert await jamf.policy(xml) not in (first, other)


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (install_policy("X", "99", "1"), "Error: Problem with package"),
        ("<policy><general/></policy>", "Error: Problem with general/name"),
        (
            scoped_to("<computer_group><id>99</id></computer_group>"),
            "Error: Problem with computer group in scope",
        ),
        (
            scoped_to("<computer_group/>"),
            "Error: Problem with computer group in scope",
        ),
        (
            "<policy><general><name>X</name><category><name>None such</name></category></general></policy>",
            "Error: Problem with category",
        ),
        (
            "<policy><general><name>X</name><frequency>Sometimes</frequency></general></policy>",
            "Error: Problem with general/frequency",
        ),
        (
            "<policy><general><name>X</name><enabled>maybe</enabled></general></policy>",
            "Error: Problem with general/enabled",
        ),
        (
            "<policy><general><name>X</name><retry_attempts>many</retry_attempts></general></policy>",
            "Error: Problem with general/retry_attempts",
        ),
    ],
)
async def test_a_policy_that_cannot_be_is_a_conflict_and_leaves_nothing(jamf: JamfWorld, xml: str, words: str) -> None:
    refused(await jamf.http.post("JSSResource/policies/id/0", content=xml, headers=XML), 409, words)
    kept = await jamf.policy(uninstall_policy("Kept", jamf.group_id()))
    before = await value(jamf, kept)
    refused(await jamf.change(kept, xml.replace("<general/>", "<general><name/></general>")), 409, words)
    assert await value(jamf, kept) == before


async def test_a_category_may_be_named_or_numbered_and_taken_away(jamf: JamfWorld) -> None:
    policy_id = await jamf.policy(
        "<policy><general><name>X</name><category><name>Security</name></category></general></policy>"
    )
    assert (await value(jamf, policy_id))["general"]["category"] == {"id": 2, "name": "Security"}
    await jamf.change(policy_id, "<policy><general><category><id>3</id></category></general></policy>")
    assert (await value(jamf, policy_id))["general"]["category"] == {"id": 3, "name": "Utilities"}
    await jamf.change(policy_id, "<policy><general><category><id>-1</id></category></general></policy>")
    assert (await value(jamf, policy_id))["general"]["category"] == {"id": -1, "name": "No category assigned"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("<policy>", "application/xml", 400),
        ("<computer_group/>", "text/xml", 400),
        ('<!DOCTYPE policy [<!ENTITY a "b">]><policy><general><name>&a;</name></general></policy>', "text/xml", 400),
        ('{"policy": {}}', "application/json", 415),
        ("<policy>" + " " * (2 << 20) + "</policy>", "application/xml", 413),
    ],
)
async def test_a_body_that_is_no_policy_is_refused_in_html(
    jamf: JamfWorld, content: str, kind: str, status: int
) -> None:
    answer = await jamf.http.post("JSSResource/policies/id/0", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


async def test_what_is_not_there_is_an_html_page(jamf: JamfWorld) -> None:
    words = "The server has not found anything matching the request URI"
    refused(await jamf.http.get("JSSResource/policies/id/9", headers=JSON), 404, words)
    refused(await jamf.change("9", "<policy/>"), 404, words)
    refused(await jamf.http.delete("JSSResource/policies/id/9"), 404, words)
    refused(await jamf.http.get("JSSResource/computergroups/id/9"), 404, words)
    refused(await jamf.http.get("JSSResource/computergroups/name/none"), 404, words)
    refused(await jamf.http.get("JSSResource/computerhistory/id/9999/subset/PolicyLogs"), 404, words)
    refused(await jamf.http.get("JSSResource/computerhistory/id/1/subset/Horoscope"), 404, words)


async def test_a_deleted_package_leaves_the_policies_that_named_it(jamf: JamfWorld) -> None:
    package_id = await jamf.package()
    policy_id = await jamf.policy(install_policy("Editor", package_id, jamf.group_id()))
    await jamf.http.delete(f"api/v1/packages/{package_id}")
    assert (await value(jamf, policy_id))["package_configuration"] == {"packages": []}
