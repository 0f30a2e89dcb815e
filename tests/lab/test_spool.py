"""What the labs of a whole test run write down, and that a deviation in it is found."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from jamf_world import JamfWorld
from lab_world import BASE, START

import whole_wire
from eucora.lab.app import create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.faults import Fault
from eucora.lab.recorder import Exchange
from eucora.lab.spool import VARIABLE, Novelty, Spool, read

GROUP: dict[str, Any] = {"id": "1", "displayName": "ring", "mailEnabled": False, "securityEnabled": True}
SEEN = Exchange(
    method="GET",
    path="/graph/v1.0/groups",
    query="$top=1",
    request_type="",
    request_body=b"",
    status=200,
    response_type="application/json",
    response_body=json.dumps({"value": [GROUP]}).encode(),
    agent="eucora/1",
)


def answering(**changes: object) -> Exchange:
    return replace(SEEN, response_body=json.dumps({"value": [GROUP | changes]}).encode())


def test_what_says_nothing_new_is_left_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for again in (SEEN, SEEN, answering(id="2"), replace(SEEN, query="$top=7")):
        spool.keep(again)
    assert list(read(tmp_path)) == [SEEN]


@pytest.mark.parametrize(
    "other",
    [
        replace(SEEN, status=206),
        replace(SEEN, method="PATCH"),
        replace(SEEN, path="/graph/v1.0/groups/7"),
        replace(SEEN, query="$select=id"),
        replace(SEEN, agent="somebody"),
        replace(SEEN, request_body=b"{}", request_type="application/json"),
        answering(description="x"),
        answering(mailEnabled=None),
        answering(displayName="another"),
        answering(displayName=""),
        replace(SEEN, response_body=b"{"),
        replace(SEEN, response_body=b'{"value": []}'),
        replace(SEEN, response_type="application/xml", response_body=b"<groups><group/></groups>"),
    ],
)
def test_anything_new_is_kept(other: Exchange) -> None:
    novelty = Novelty()
    assert novelty.adds(SEEN)
    assert novelty.adds(other)
    assert not novelty.adds(other)


def test_words_without_end_are_not_told_apart_for_ever() -> None:
    novelty = Novelty()
    letters = "abcdefghij"
    words = [one + other for one in letters for other in letters]
    assert sum(novelty.adds(answering(displayName=word)) for word in words) < 50


async def test_a_lab_writes_each_exchange_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jamf's app inside of the whole lab too, and one that stands alone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    app = create_lab(seed=7, clock=ManualClock(START), pace=1, base_url=BASE, windows=8, macs=8)
    app.state.lab.faults.add("graph", Fault(503, 1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        await http.get("/jamf/api/v1/packages")
        await http.get("/graph/v1.0/groups")
    alone = JamfWorld(macs=8)
    async with alone.http:
        await alone.http.get("api/v1/categories")
    assert [file.name for file in tmp_path.iterdir()] == [f"{os.getpid()}.jsonl"]
    assert [(one.path, one.status) for one in read(tmp_path)] == [
        ("/jamf/api/v1/packages", 401),
        ("/graph/v1.0/groups", 503),
        ("/jamf/api/v1/categories", 401),
    ]


def spooled(folder: Path, *exchanges: Exchange) -> whole_wire.Findings:
    spool = Spool(folder)
    for exchange in exchanges:
        spool.keep(exchange)
    return whole_wire.check(folder)


@pytest.mark.contracts
@pytest.mark.skipif(not whole_wire.described_here(), reason="the vendors' descriptions are not beside the repository")
class TestDescriptions:
    def test_what_is_described_passes(self, tmp_path: Path) -> None:
        findings = spooled(tmp_path, SEEN, replace(SEEN, path="/blob/x"))
        assert (findings.checked, findings.undescribed, findings.deviations) == (1, {"/blob/": 1}, {})

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (replace(SEEN, query="$colour=red"), "'$colour' is not described"),
            (replace(SEEN, path="/graph/v1.0/nowhere"), "no such operation"),
            (answering(mailEnabled="no"), "value[0].mailEnabled: 'no' is not"),
            (answering(colour="red"), "'colour' was unexpected"),
            (replace(SEEN, response_type="text/html"), "'text/html' is not described"),
            (replace(SEEN, path="/jamf/JSSResource/policies", response_type="application/xml",
                     response_body=b"<policies><policy><colour/></policy></policies>"), "colour is not described"),
        ],
    )  # fmt: skip
    def test_what_is_not_is_found(self, tmp_path: Path, wrong: Exchange, said: str) -> None:
        findings = spooled(tmp_path, wrong)
        assert any(said in text for text in findings.deviations), findings

    def test_requests_of_others_may_be_wrong_their_answers_not(self, tmp_path: Path) -> None:
        theirs = replace(SEEN, query="$colour=red", agent="a test")
        vain = replace(theirs, path="/graph/v1.0/nowhere", status=404, response_body=b"")
        assert not spooled(tmp_path, theirs, vain).deviations
        assert spooled(tmp_path, replace(theirs, path="/graph/v1.0/nowhere")).deviations

    def test_a_known_deviation_is_counted_with_its_reason(self, tmp_path: Path) -> None:
        path = "/graph/beta/deviceManagement/operationApprovalRequests"
        findings = spooled(tmp_path, replace(SEEN, path=path))
        [(known, times)] = findings.known.items()
        assert "beta" in known.reason
        assert times == 1
        assert known not in findings.outlived
