"""Evidence over HTTP: what follows from a pack's kept files, newer scans of it, and what changed between two."""

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_rig import AUDITOR, PACKAGER, PUBLISHER, Rig, intent_body, problem, sbom, scan, sha256

from eucora.application.execute import execute
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.domain import artifact, policy_exception
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.findings import ArtifactFacts, ArtifactFormat, Signature, SignatureFacts
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.planes import Platform

SECURITY = "sana.security"
EXCEPTION = "0199e5a4-6f00-7000-8000-0000000000ee"
NOWHERE = "0" * 64


def grype(*found: tuple[str, str, str], version: str = "0.94.0") -> bytes:
    """A Grype report: (id, severity, component)."""
    matches = [
        {
            "vulnerability": {"id": id, "severity": severity, "fix": {"versions": ["2"], "state": "fixed"}},
            "artifact": {"name": name, "version": "1", "purl": f"pkg:npm/{name}@1"},
        }
        for id, severity, name in found
    ]
    return json.dumps({"matches": matches, "descriptor": {"name": "grype", "version": version}}).encode()


def trivy(id: str, severity: str, name: str) -> bytes:
    vulnerability = {
        "VulnerabilityID": id,
        "PkgName": name,
        "InstalledVersion": "1",
        "PkgIdentifier": {"PURL": f"pkg:npm/{name}@1"},
        "Severity": severity,
    }
    result = {"Target": "notes", "Class": "lang-pkgs", "Type": "npm", "Vulnerabilities": [vulnerability]}
    return json.dumps({"SchemaVersion": 2, "ArtifactName": "notes", "Results": [result]}).encode()


def openvex(id: str, status: str) -> bytes:
    statement = {
        "vulnerability": {"name": id},
        "products": [{"@id": "pkg:npm/left@1"}],
        "status": status,
        "justification": "vulnerable_code_not_in_execute_path",
        "timestamp": "2026-03-01T12:00:00Z",
    }
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "Example PSIRT",
        "timestamp": "2026-03-01T12:00:00Z",
        "version": 1,
        "statements": [statement],
    }
    return json.dumps(document).encode()


CRITICAL = grype(("CVE-2026-9", "Critical", "left"), ("CVE-2026-1", "Low", "left"))
PLAIN = {"sbom": sbom(), "test_evidence": b"passed", "rollback_plan": b"remove it"}


async def assemble(rig: Rig, *more: tuple[str, bytes], **changes: Any) -> str:
    """A pack with the plain documents and those named."""
    return await rig.made("/evidence-packs", PACKAGER, await body(rig, [*PLAIN.items(), *more]) | changes)


async def body(rig: Rig, documents: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    kept = []
    for kind, data in documents:
        answer = await rig.upload(data, kind)
        assert answer.status_code == 201, answer.text
        kept.append({"kind": kind, "sha256": answer.json()["sha256"]})
    return await rig.pack_body() | {"documents": kept}


async def upload(rig: Rig, data: bytes, kind: str, person: str) -> Any:
    return await rig.ask("POST", "/evidence-documents", person, key="", params={"kind": kind}, content=data)


async def rescan(rig: Rig, pack: str, data: bytes, person: str = SECURITY) -> Any:
    assert (await upload(rig, data, "scan", person)).status_code == 201
    return await rig.post(f"/evidence-packs/{pack}/rescans", person, {"document": sha256(data)})


async def test_findings_are_told_once_with_their_sources_worst_first(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", CRITICAL), ("scan", trivy("CVE-2026-9", "HIGH", "left")))
    first, second = (await rig.get(f"/evidence-packs/{pack}/findings")).json()["items"]
    assert (first["id"], first["severity"], first["counted"], first["vex"]) == ("CVE-2026-9", "critical", True, None)
    assert first["rule"] == "the scanners disagree (grype: critical, trivy: high); the worst counts"
    assert [(one["tool"], one["severity"]) for one in first["sources"]] == [("grype", "critical"), ("trivy", "high")]
    assert first["component"] == {"name": "left", "version": "1", "purl": "pkg:npm/left@1"}
    assert (second["id"], second["severity"]) == ("CVE-2026-1", "low")
    told = (await rig.get(f"/evidence-packs/{pack}")).json()
    assert (told["findings"]["critical"], told["findings"]["low"]) == (1, 1)
    assert (told["critical"], told["components"], told["suppressed"]) == (["CVE-2026-9"], 1, 0)


async def test_a_vex_statement_takes_a_finding_out_of_the_count_and_leaves_it_in_sight(rig: Rig) -> None:
    high = grype(("CVE-2026-9", "High", "left"))
    pack = await assemble(rig, ("scan", high), ("vex", openvex("CVE-2026-9", "not_affected")))
    told = (await rig.get(f"/evidence-packs/{pack}")).json()
    assert (told["findings"]["high"], told["critical"], told["suppressed"]) == (0, [], 1)
    assert told["missing"] == []
    first = (await rig.get(f"/evidence-packs/{pack}/findings")).json()["items"][0]
    assert (first["id"], first["counted"]) == ("CVE-2026-9", False)
    assert first["vex"] == {
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        "stated_at": "2026-03-01T12:00:00Z",
        "author": "Example PSIRT",
    }


async def test_a_vex_statement_of_a_packager_waives_no_critical_finding(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", CRITICAL), ("vex", openvex("CVE-2026-9", "not_affected")))
    told = (await rig.get(f"/evidence-packs/{pack}")).json()
    assert (told["findings"]["critical"], told["critical"], told["suppressed"]) == (1, ["CVE-2026-9"], 1)
    first = (await rig.get(f"/evidence-packs/{pack}/findings")).json()["items"][0]
    assert (first["severity"], first["counted"], first["vex"]["status"]) == ("critical", True, "not_affected")
    answer = await rig.post("/deployment-intents", PACKAGER, intent_body(pack, (0, 1)))
    problem(answer, 422, "critical-vulnerability")


async def test_a_statement_dated_in_the_future_is_refused_at_the_door_and_in_a_pack(rig: Rig) -> None:
    def stated(later: timedelta) -> bytes:
        document = json.loads(openvex("CVE-2026-9", "not_affected"))
        document["statements"][0]["timestamp"] = (rig.clock.now() + later).isoformat()
        return json.dumps(document).encode()

    skew, tick = timedelta(minutes=5), timedelta(microseconds=1)
    assert (await upload(rig, stated(skew), "vex", SECURITY)).status_code == 201
    told = problem(await upload(rig, stated(skew + tick), "vex", SECURITY), 422, "unreadable-vex")
    assert told["place"] == "$.statements[0]"
    kept = stated(skew + tick)  # by a way that does not look inside: it is looked at again in the pack
    assert (await upload(rig, kept, "lab_report", PACKAGER)).status_code == 201
    asked = await body(rig, [*PLAIN.items(), ("scan", CRITICAL)])
    asked["documents"].append({"kind": "vex", "sha256": sha256(kept)})
    told = problem(await rig.post("/evidence-packs", PACKAGER, asked), 422, "unreadable-vex")
    assert told["place"] == "$.statements[0]"


async def test_findings_are_filtered_and_paged(rig: Rig) -> None:
    components = [
        {"type": "library", "name": f"lib-{n}", "version": "1", "purl": f"pkg:npm/lib-{n}@1"} for n in range(5)
    ]
    listed = json.dumps(json.loads(sbom()) | {"components": components}).encode()
    report = grype(*((f"CVE-2026-{n}", "High" if n else "Low", f"lib-{n}") for n in range(5)))
    made = await body(rig, [*(PLAIN | {"sbom": listed}).items(), ("scan", report)])
    at = f"/evidence-packs/{await rig.made('/evidence-packs', PACKAGER, made)}/findings"
    assert [one["id"] for one in (await rig.get(at, severity="low")).json()["items"]] == ["CVE-2026-0"]
    assert [one["id"] for one in (await rig.get(at, component="LIB-3")).json()["items"]] == ["CVE-2026-3"]
    assert (await rig.get(at, component="nothing")).json() == {"items": [], "next_cursor": None}
    seen, cursor = [], None
    while True:
        page = (await rig.get(at, limit="2", **({} if cursor is None else {"cursor": cursor}))).json()
        assert len(page["items"]) <= 2
        seen += [one["id"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["CVE-2026-1", "CVE-2026-2", "CVE-2026-3", "CVE-2026-4", "CVE-2026-0"]
    other = (await rig.get(at, limit="2", severity="high")).json()["next_cursor"]
    problem(await rig.get(at, limit="2", cursor=other), 422, "cursor-invalid")
    problem(await rig.get(at, severity="terrible"), 422, "request-invalid")


async def test_what_was_derived_is_derived_again_and_nothing_is_recorded(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", CRITICAL), ("vex", openvex("CVE-2026-9", "fixed")))
    before = await rig.events()
    answer = await rig.ask("POST", f"/evidence-packs/{pack}/derivations", AUDITOR, key="")
    assert answer.status_code == 200
    assert answer.json() == {"pack": pack, "equal": True, "differences": []}
    assert await rig.events() == before


async def test_a_file_that_was_altered_or_lost_since_is_told(rig: Rig, tmp_path: Path) -> None:
    pack = await assemble(rig, ("scan", CRITICAL))
    digest = sha256(CRITICAL)
    kept = tmp_path / "artifacts" / "sha256" / digest[:2] / digest
    kept.write_bytes(scan())
    altered = problem(
        await rig.ask("POST", f"/evidence-packs/{pack}/derivations", AUDITOR, key=""), 409, "document-altered"
    )
    assert (altered["document"], altered["found"]) == (digest, sha256(scan()))
    problem(await rig.get(f"/evidence-packs/{pack}/findings"), 409, "document-altered")
    kept.unlink()
    problem(await rig.get(f"/evidence-packs/{pack}/findings"), 409, "document-lost")
    problem(await rig.get(f"/evidence-packs/{pack}/documents/{digest}/content"), 409, "document-lost")
    assert (await rig.upload(CRITICAL, "scan")).status_code == 201  # the way out that the problem names
    assert (await rig.ask("POST", f"/evidence-packs/{pack}/derivations", AUDITOR, key="")).json()["equal"]


async def test_a_document_comes_back_as_it_was_handed_in(rig: Rig) -> None:
    page = b"<html><script>alert(1)</script></html>" * 10_000
    pack = await assemble(rig, ("scan", scan()), ("lab_report", page))
    answer = await rig.get(f"/evidence-packs/{pack}/documents/{sha256(page)}/content")
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{hashlib.sha256(page).hexdigest()}"'
    assert answer.headers["content-length"] == str(len(page))
    elsewhere = (await rig.upload(b"of nobody", "lab_report")).json()["sha256"]
    problem(await rig.get(f"/evidence-packs/{pack}/documents/{elsewhere}/content"), 404, "document-not-in-pack")


async def test_a_newer_scan_is_put_on_record_beside_the_pack(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", scan()))
    answer = await rescan(rig, pack, CRITICAL)
    assert (answer.status_code, answer.json()) == (201, {"id": pack, "version": 2})
    told = (await rig.get(f"/evidence-packs/{pack}")).json()
    assert (told["id"], told["findings"]["critical"], told["critical"]) == (pack, 0, [])
    assert told["rescans"] == 1
    newest = told["rescan"]
    assert (newest["findings"]["critical"], newest["critical"]) == (1, ["CVE-2026-9"])
    assert (newest["new_critical"], newest["replaces"]) == (["CVE-2026-9"], [sha256(scan())])
    assert newest["document"]["sha256"] == sha256(CRITICAL)
    own, latest = [
        [one["id"] for one in (await rig.get(f"/evidence-packs/{pack}/findings", scans=which)).json()["items"]]
        for which in ("pack", "latest")
    ]
    assert (own, latest) == (["CVE-2026-1"], ["CVE-2026-9", "CVE-2026-1"])
    content = await rig.get(f"/evidence-packs/{pack}/documents/{sha256(CRITICAL)}/content")
    assert content.content == CRITICAL
    again = await rig.ask("POST", f"/evidence-packs/{pack}/derivations", AUDITOR, key="")
    assert again.json()["equal"]  # the pack's own documents lead to what the pack says


async def test_a_newer_scan_by_another_scanner_replaces_none(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", CRITICAL))
    assert (await rescan(rig, pack, trivy("CVE-2026-1", "MEDIUM", "left"), PACKAGER)).status_code == 201
    newest = (await rig.get(f"/evidence-packs/{pack}")).json()["rescan"]
    assert newest["replaces"] == []
    assert (newest["findings"]["critical"], newest["findings"]["medium"], newest["findings"]["low"]) == (1, 1, 0)
    assert newest["new_critical"] == []


async def test_a_scan_of_one_platform_says_nothing_about_the_other(rig: Rig) -> None:
    other = json.loads(sbom("right"))
    other["metadata"]["component"]["name"] = "notes-mac"
    right = grype(("CVE-2026-7", "Critical", "right"))
    pack = await assemble(rig, ("sbom", json.dumps(other).encode()), ("scan", CRITICAL), ("scan", right))
    assert (await rescan(rig, pack, grype(("CVE-2026-1", "Low", "left"), version="0.95.0"))).status_code == 201
    newest = (await rig.get(f"/evidence-packs/{pack}")).json()["rescan"]
    assert newest["replaces"] == [sha256(CRITICAL)]
    assert newest["critical"] == ["CVE-2026-7"]


async def test_the_same_scan_is_recorded_once_and_an_older_one_does_not_come_back(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", scan()))
    first = await rescan(rig, pack, CRITICAL)
    events = await rig.events()
    again = await rescan(rig, pack, CRITICAL)
    assert again.json() == first.json()
    assert await rig.events() == events
    problem(await rescan(rig, pack, scan(), PACKAGER), 409, "scan-not-newer")


async def test_a_packager_cannot_replace_the_scan_that_found_something_critical(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", scan()))
    assert (await rescan(rig, pack, CRITICAL)).status_code == 201
    empty = grype(("CVE-2026-1", "Low", "left"), version="0.95.0")
    told = problem(await rescan(rig, pack, empty, PACKAGER), 403, "rescan-drops-critical")
    assert told["dropped"] == ["CVE-2026-9"]
    assert (await rescan(rig, pack, empty)).status_code == 201


async def test_a_scan_that_is_older_than_the_one_on_record_is_refused(rig: Rig) -> None:
    def dated(time: str, version: str) -> bytes:
        report = json.loads(grype(("CVE-2026-1", "Low", "left"), version=version))
        return json.dumps(report | {"descriptor": report["descriptor"] | {"timestamp": time}}).encode()

    pack = await assemble(rig, ("scan", dated("2026-01-02T00:00:00.123456789Z", "0.94.0")))
    older = dated("2026-01-01T23:59:59Z", "0.95.0")
    problem(await rescan(rig, pack, older), 409, "rescan-older")
    problem(await upload(rig, dated("2999-01-01T00:00:00Z", "0.95.0"), "scan", SECURITY), 422, "unreadable-scan")
    assert (await rescan(rig, pack, dated("2026-01-03T00:00:00Z", "0.95.0"), PACKAGER)).status_code == 201


async def test_a_scan_that_is_none_of_this_pack_is_refused(rig: Rig) -> None:
    pack = await assemble(rig, ("scan", scan()))
    at, events = f"/evidence-packs/{pack}/rescans", await rig.events()
    problem(await rescan(rig, pack, grype(("CVE-2026-3", "High", "right"))), 422, "scan-of-another-artifact")
    problem(await rig.post(at, SECURITY, {"document": NOWHERE}), 422, "document-unknown")
    problem(await rig.post(at, SECURITY, {"document": sha256(PLAIN["sbom"])}), 422, "unreadable-scan")
    problem(await rig.post(at, SECURITY, {"document": "no digest"}), 422, "request-invalid")
    problem(await rig.post(at, PUBLISHER, {"document": sha256(scan())}), 403, "role-missing")
    assert await rig.events() == events
    bare = await rig.made("/evidence-packs", PACKAGER, await body(rig, [("scan", scan())]))
    problem(await rescan(rig, bare, CRITICAL), 409, "evidence-pack-without-sbom")


async def test_a_security_reviewer_hands_in_scans_and_vex_and_nothing_else(rig: Rig) -> None:
    assert (await upload(rig, CRITICAL, "scan", SECURITY)).status_code == 201
    assert (await upload(rig, openvex("CVE-2026-9", "affected"), "vex", SECURITY)).status_code == 201
    problem(await upload(rig, sbom(), "sbom", SECURITY), 403, "role-missing")
    problem(await upload(rig, b"passed", "test_evidence", SECURITY), 403, "role-missing")
    problem(await upload(rig, CRITICAL, "vex", SECURITY), 422, "unreadable-vex")


async def test_what_changed_between_two_packs(rig: Rig) -> None:
    before = await assemble(rig, ("scan", scan()))
    declared = (await rig.pack_body())["declared"] | {"data_access": "profile"}
    application = (await rig.pack_body())["application"] | {"version": "1.1"}
    artifact = await rig.register("1.1")
    installs = [(await rig.pack_body())["installs"][0] | {"artifact": artifact}]
    after = await assemble(
        rig, ("scan", grype(("CVE-2026-9", "Critical", "left"))),
        declared=declared, application=application, installs=installs, rollout_plan="all at once",
    )  # fmt: skip
    told = (await rig.get(f"/evidence-packs/{before}/diff/{after}")).json()
    assert (told["before"], told["after"]) == (before, after)
    assert told["application"] == [{"field": "version", "before": "1.0", "after": "1.1"}]
    assert told["declared"] == [{"field": "data_access", "before": "own", "after": "profile"}]
    assert told["rollout_plan"] == {
        "field": "rollout_plan", "before": "lab, canary, pilot", "after": "all at once"
    }  # fmt: skip
    (install,) = told["installs"]
    assert (install["plane"], install["after"]["artifact"]) == ("jamf", artifact)
    assert [one["kind"] for one in (*told["documents_added"], *told["documents_removed"])] == ["scan", "scan"]
    found = told["findings"]
    assert [one["id"] for one in found["added"]] == ["CVE-2026-9"]
    assert [one["id"] for one in found["removed"]] == ["CVE-2026-1"]
    assert (found["added_total"], found["removed_total"], found["changed_total"]) == (1, 1, 0)
    same = (await rig.get(f"/evidence-packs/{before}/diff/{before}")).json()
    assert not any(same[part] for part in ("application", "declared", "rollout_plan", "installs", "documents_added"))
    assert not any(same["findings"].values())


async def test_a_finding_that_is_worse_now_is_a_change_and_not_a_new_one(rig: Rig) -> None:
    before = await assemble(rig, ("scan", grype(("CVE-2026-1", "Low", "left"))))
    after = await assemble(rig, ("scan", grype(("CVE-2026-1", "High", "left"))))
    found = (await rig.get(f"/evidence-packs/{before}/diff/{after}")).json()["findings"]
    assert (found["added"], found["removed"]) == ([], [])
    (change,) = found["changed"]
    assert (change["before"]["severity"], change["after"]["severity"]) == ("low", "high")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/evidence-packs/{nowhere}/findings"),
        ("POST", "/evidence-packs/{nowhere}/derivations"),
        ("GET", "/evidence-packs/{nowhere}/documents/{nowhere}/content"),
        ("GET", "/evidence-packs/{nowhere}/diff/{pack}"),
        ("GET", "/evidence-packs/{pack}/diff/{nowhere}"),
    ],
)
async def test_a_pack_that_nobody_assembled_is_not_found(rig: Rig, method: str, path: str) -> None:
    pack = await assemble(rig, ("scan", scan()))
    at = path.format(nowhere=NOWHERE, pack=pack)
    problem(await rig.ask(method, at, AUDITOR), 404, "evidence-pack-not-assembled")
    problem(await rig.ask(method, at.replace(NOWHERE, "no-digest", 1), AUDITOR), 422, "request-invalid")


async def test_a_newer_scan_of_a_pack_that_nobody_assembled_is_not_found(rig: Rig) -> None:
    problem(await rescan(rig, NOWHERE, CRITICAL), 404, "evidence-pack-not-assembled")


async def test_a_pack_names_exceptions_that_are_on_record(rig: Rig) -> None:
    asked = await body(rig, [*PLAIN.items(), ("scan", CRITICAL)])
    asked["exceptions"] = [EXCEPTION]
    problem(await rig.post("/evidence-packs", PACKAGER, asked), 422, "policy-exception-not-on-record")
    now = rig.clock.now()
    terms = policy_exception.Terms(
        kind=ExceptionKind.VULNERABILITY,
        title="left is not reachable",
        justification="the parser is compiled out",
        controls=("no network",),
        owner="idp|olga",
        subjects=("CVE-2026-9",),
        expires_at=now + timedelta(days=30),
    )
    command = policy_exception.RequestException(EXCEPTION, terms, ExceptionLimits(), "idp|piet", now)
    await execute(
        rig.world.store, policy_exception.DECIDER, EXCEPTION, command,
        context=Context("idp|piet", "rig"), at=now, react=react,
    )  # fmt: skip
    told = (await rig.get(f"/evidence-packs/{await rig.made('/evidence-packs', PACKAGER, asked)}")).json()
    assert told["exceptions"] == [EXCEPTION]
    # Whether it is in force is asked when somebody decides, and not written into what never changes.
    assert (told["findings"]["critical"], told["findings"]["excepted"], told["critical"]) == (1, 0, ["CVE-2026-9"])


async def test_a_pack_says_who_signed_what_it_installs(rig: Rig) -> None:
    signed_by = SignatureFacts("xar", ("CN=Developer ID Installer: Example", "CN=Root"), "f" * 64, None, True, "no CRL")
    facts = ArtifactFacts(ArtifactFormat.PKG, Signature.PRESENT, signed_by=signed_by)
    digest = sha256(b"a signed package")
    command = artifact.RegisterArtifact(
        digest, 9, "notes.pkg", Platform.MACOS, facts, digest, 9, "notes.pkg", "idp|erik", rig.clock.now()
    )
    await execute(
        rig.world.store, artifact.DECIDER, digest, command,
        context=Context("idp|erik", "rig"), at=rig.clock.now(), react=react,
    )  # fmt: skip
    installs = [(await rig.pack_body())["installs"][0] | {"artifact": digest}]
    told = (await rig.get(f"/evidence-packs/{await assemble(rig, ('scan', scan()), installs=installs)}")).json()
    (install,) = told["installs"]
    assert (install["signature"], install["signer"]) == ("present", "CN=Developer ID Installer: Example")
    assert install["signature_problem"] == "no CRL"
    assert "idp|erik" in told["packagers"]
