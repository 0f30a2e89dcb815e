"""Idempotency-Key, If-Match and If-None-Match: which call takes what, and what each form of a header means."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_rig import NOBODY, OPERATOR, PUBLISHER, Rig, incident_body, problem
from hypothesis import given
from hypothesis import strategies as st

from eucora.api.openapi import document
from eucora.api.preconditions import Named, NotModified, require_modified, tags, version_named, version_seen
from eucora.api.problems import Refused

PAPER = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PAIRS = 1_000 if os.environ.get("EUCORA_TEST_LONG") else 150
SECURITY = "sana.security"
AT_ONCE = 10  # pairs that race beside each other


def writes() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}": operation
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if method != "get"
    }


def takes(operation: dict[str, Any], header: str) -> str:
    for given_in in operation.get("parameters", []):
        if given_in["name"] == header:
            return "needed" if given_in["required"] else "optional"
    return "not taken"


def rows(heading: str) -> list[list[str]]:
    """The cells of the last table under a heading of the paper."""
    section = PAPER.split(f"\n### {heading}")[1].split("\n### ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]


def test_every_write_takes_a_key_or_the_paper_says_why_not() -> None:
    keyless = {call for cells in rows("The wish") for call in re.findall(r"`(POST [^`]+)`", cells[1])}
    assert keyless == {call for call, operation in writes().items() if takes(operation, "Idempotency-Key") != "needed"}
    assert len(writes()) > 60


def test_the_paper_says_of_every_write_whether_it_names_what_was_seen() -> None:
    told = [(call, cells[0]) for cells in rows("What was seen") for call in re.findall(r"`(POST [^`]+)`", cells[1])]
    assert len(told) == len(dict(told)), "a call stands in two rows"
    assert dict(told) == {call: takes(operation, "If-Match") for call, operation in writes().items()}


def test_whoever_takes_a_version_says_what_he_answers() -> None:
    for call, operation in writes().items():
        declared, wanted = set(operation["responses"]), takes(operation, "If-Match")
        assert ("412" in declared) is (wanted != "not taken"), call
        assert ("428" in declared) is (wanted == "needed"), call
        assert wanted == "not taken" or "400" in declared, call


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        (['"4"'], 4),
        ([' "4"\t'], 4),
        (['"3", "4"'], 4),
        (['"4"', '"3"'], 4),
        ([', "4",,'], 4),
        (['W/"9", "4", "abc", "a,b", "04"'], 4),
        (['"0"'], 0),
        (["*"], None),
    ],
)
def test_an_if_match_names_a_version(lines: list[str], version: int | None) -> None:
    assert version_named(lines) == version


@pytest.mark.parametrize(
    "lines", [['W/"4"'], ['"abc"'], ['""'], ['"04"'], ['"1234567890"'], ['"-1"'], ['W/"4"', '"x"']]
)
def test_a_weak_tag_and_one_of_somebody_else_match_nothing(lines: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        version_named(lines)
    assert (refused.value.problem.row.status, refused.value.problem.row.slug) == (412, "version-mismatch")


@pytest.mark.parametrize(
    "line", ["", "4", "'4'", '"4', '4"', '"3" "4"', '"a b"', 'w/"4"', '*, "4"', '"4", *', ",", "**"]
)
def test_what_is_no_list_of_etags_is_told_apart(line: str) -> None:
    with pytest.raises(Refused) as refused:
        version_named([line])
    assert (refused.value.problem.row.status, refused.value.problem.row.slug) == (400, "if-match-malformed")


def test_where_a_version_must_be_named_any_is_none() -> None:
    with pytest.raises(Refused) as refused:
        version_seen(["*"])
    assert refused.value.problem.row.status == 428
    assert version_seen(['"7"']) == 7


@given(st.lists(st.tuples(st.booleans(), st.text(st.characters(codec="latin-1"))), min_size=1, max_size=5))
def test_a_list_is_read_as_it_was_written(told: list[tuple[bool, str]]) -> None:
    written = [("W/" if weak else "") + f'"{opaque}"' for weak, opaque in told]
    allowed = all(c == "\x21" or "\x23" <= c <= "\x7e" or "\x80" <= c <= "\xff" for _, opaque in told for c in opaque)
    if allowed:
        assert tags([", ".join(written)]) == tags(written) == [Named(opaque, weak) for weak, opaque in told]


@given(st.text(max_size=60))
def test_no_header_is_a_fault(line: str) -> None:
    try:
        version = version_named([line])
    except Refused:
        return
    assert version is None or 0 <= version < 10**9


@pytest.mark.parametrize("line", ['"4"', 'W/"4"', '"1", "4"', "*"])
def test_what_the_caller_has_is_not_sent_again(line: str) -> None:
    with pytest.raises(NotModified) as unchanged:
        require_modified([line], 4)
    assert unchanged.value.etag == '"4"'


@pytest.mark.parametrize("lines", [[], ['"5"'], ["4"], ['"44"']])
def test_what_he_does_not_have_is_sent(lines: list[str]) -> None:
    require_modified(lines, 4)


async def test_a_read_with_the_etag_costs_no_body(rig: Rig) -> None:
    intent = await rig.propose()
    for path in (f"/deployment-intents/{intent}", "/gate-policies/1.0"):
        whole = await rig.get(path)
        answer = await rig.ask("GET", path, PUBLISHER, headers={"If-None-Match": whole.headers["ETag"]})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == whole.headers["ETag"]
        stale = await rig.ask("GET", path, PUBLISHER, headers={"If-None-Match": '"99"'})
        assert (stale.status_code, stale.content) == (200, whole.content)
    then = await rig.get(f"/deployment-intents/{intent}", as_of=await rig.events())
    assert "ETag" not in then.headers, "what stood in the past never moves, and is not what a decision rests on"


async def test_what_a_write_answers_is_what_the_next_one_names(rig: Rig) -> None:
    await rig.pack()
    path = f"/incidents/{await rig.made('/incidents', OPERATOR, incident_body())}"
    noted = await rig.post(f"{path}/notes", OPERATOR, {"text": "one"}, headers={"If-Match": '"1"'})
    assert noted.headers["ETag"] == (await rig.get(path)).headers["ETag"] == '"2"'
    saw = {"If-Match": '"1", W/"2"'}
    told = problem(await rig.post(f"{path}/notes", OPERATOR, {"text": "two"}, headers=saw), 412, "version-mismatch")
    assert (told["expected"], told["actual"]) == (1, 2)
    assert (await rig.post(f"{path}/notes", OPERATOR, {"text": "two"}, headers={"If-Match": "*"})).status_code == 201


async def test_what_must_be_seen_must_be_named(rig: Rig) -> None:
    intent = await rig.propose()
    path, asked = f"/deployment-intents/{intent}/promotions", {"to_ring": 1}
    before = await rig.events()
    problem(await rig.post(path, PUBLISHER, asked), 428, "if-match-missing")
    problem(await rig.post(path, PUBLISHER, asked, headers={"If-Match": "*"}), 428, "if-match-missing")
    problem(await rig.post(path, PUBLISHER, asked, headers={"If-Match": "2"}), 400, "if-match-malformed")
    problem(await rig.post(path, PUBLISHER, asked, headers={"If-Match": '"1"'}), 412, "version-mismatch")
    assert await rig.events() == before
    nobody = f"/deployment-intents/{NOBODY}/promotions"
    answer = await rig.post(nobody, PUBLISHER, asked, headers={"If-Match": '"1"'})
    problem(answer, 404, "deployment-intent-unknown")


async def test_a_stop_needs_no_look_first(rig: Rig) -> None:
    intent = await rig.propose()
    assert (await rig.post(f"/deployment-intents/{intent}/starts", PUBLISHER)).status_code == 201
    assert (await rig.post(f"/deployment-intents/{intent}/halts", OPERATOR, {"reason": "fire"})).status_code == 201


async def test_a_submission_can_name_what_was_seen(rig: Rig) -> None:
    pack = await rig.made("/evidence-packs", "piet.packager", await rig.pack_body(category="vpn"))
    body = {
        "evidence_pack": pack,
        "rings": [{"ring": 0, "targets": [{"plane": "jamf", "group": "ring-0"}]}],
        "scope": {"business_unit": "retail", "boundary": "emea"},
    }
    intent = await rig.made("/deployment-intents", "piet.packager", body)
    path = f"/deployment-intents/{intent}/submissions"
    problem(await rig.post(path, "piet.packager", {}, headers={"If-Match": '"9"'}), 412, "version-mismatch")


@pytest.mark.machine
@pytest.mark.timeout(600)
async def test_of_two_that_saw_the_same_one_is_let_through(rig: Rig) -> None:
    """Two people write to the same version in the same moment: one 201 and one 412 each, and nothing is lost."""
    await rig.pack()
    incident = f"/incidents/{await rig.made('/incidents', OPERATOR, incident_body())}"
    others = [f"/incidents/{await rig.made('/incidents', OPERATOR, incident_body())}" for _ in range(AT_ONCE - 1)]
    paths = [incident, *others]
    version = dict.fromkeys(paths, 1)
    before = await rig.events()
    outcomes: list[tuple[int, ...]] = []
    for start in range(0, PAIRS, AT_ONCE):
        racing = paths[: min(AT_ONCE, PAIRS - start)]
        answers = await asyncio.gather(
            *(
                rig.post(f"{path}/notes", who, {"text": text}, headers={"If-Match": f'"{version[path]}"'})
                for path in racing
                for who, text in ((OPERATOR, "from the desk"), (SECURITY, "from security"))
            )
        )
        for path, (one, other) in zip(racing, pairs(answers), strict=True):
            outcomes.append(tuple(sorted((one.status_code, other.status_code))))
            version[path] += 1
            lost = one if one.status_code == 412 else other
            if lost.status_code == 412:
                told = problem(lost, 412, "version-mismatch")
                assert (told["expected"], told["actual"]) == (version[path] - 1, version[path])
    assert outcomes == [(201, 412)] * PAIRS
    assert await rig.events() == before + PAIRS


def pairs(answers: list[httpx.Response]) -> list[tuple[httpx.Response, httpx.Response]]:
    return list(zip(answers[::2], answers[1::2], strict=True))
