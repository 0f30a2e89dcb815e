"""Evidence pack: known by its content, told what it lacks, assembled once."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from given import given

from eucora.domain import evidence_pack as ep
from eucora.domain.evidence_pack import DECIDER, Detection, Document, InstallPlan
from eucora.domain.findings import Signature
from eucora.domain.install_needs import RULES_MAX, InstallNeeds, NeedRule, Restart
from eucora.domain.planes import Plane
from eucora.domain.risk_types import (
    ApplicationProfile,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
# of ASSEMBLE, before an install plan could say what it needs
BEFORE_NEEDS = "97df3488e5c032799a6d4cb5c4163e5691b991126f721c47ee932cae1216d420"
WINDOWS = InstallPlan(
    Plane.INTUNE,
    "a" * 64,
    "b" * 64,
    Signature.PRESENT,
    "setup /q",
    "setup /x",
    Detection("msi", name="{1}"),
    ((0, "success"),),
)
MACOS = InstallPlan(
    Plane.JAMF, "c" * 64, "c" * 64, Signature.PRESENT, "", "remove", Detection("receipt", name="org.example")
)
BUNDLE = Detection("bundle", name="org.example.editor", value="2.1")
INTUNE_MACS = InstallPlan(Plane.INTUNE_MACOS, "c" * 64, "c" * 64, Signature.PRESENT, "", "", BUNDLE)
ASSEMBLE = ep.AssembleEvidencePack(
    application=ApplicationProfile("text-editor", "Éditeur", "2.1", "Example", Category.UTILITY),
    declared=DeclaredRisk(
        PrivilegeImpact.USER,
        True,
        Provenance.CONSISTENT,
        Exploitability.NONE,
        DataAccess.OWN,
        OperationalComplexity.SHORT,
    ),
    planes=(Plane.INTUNE, Plane.JAMF),
    installs=(WINDOWS, MACOS),
    documents=tuple(
        Document(kind, digit * 64, kind) for kind, digit in zip(ep.REQUIRED_DOCUMENTS, "1234", strict=True)
    ),
    findings=FindingCounts(low=3),
    rollout_plan="ring by ring",
    registrars=("idp|erik", "idp|pat"),
    by="idp|pat",
    at=NOON,
)
NOTHING = given(DECIDER)


def missing(command: ep.AssembleEvidencePack) -> tuple[str, ...]:
    (assembled,) = NOTHING.when(command).events()
    assert isinstance(assembled, ep.EvidencePackAssembled)
    return assembled.missing


def test_a_complete_pack_lacks_nothing_and_names_everybody_who_packaged() -> None:
    (assembled,) = NOTHING.when(ASSEMBLE).events()
    assert isinstance(assembled, ep.EvidencePackAssembled)
    assert assembled.missing == ()
    assert assembled.packagers == ("idp|erik", "idp|pat")
    assert assembled.pack == ASSEMBLE.pack


def test_what_was_derived_from_the_documents_stands_in_the_pack() -> None:
    found = replace(ASSEMBLE, components=201, critical=("CVE-2026-1",), suppressed=4, exceptions=("exception-1",))
    (assembled,) = NOTHING.when(found).events()
    assert isinstance(assembled, ep.EvidencePackAssembled)
    told = (assembled.components, assembled.critical, assembled.suppressed, assembled.exceptions)
    assert told == (201, ("CVE-2026-1",), 4, ("exception-1",))


def test_the_same_content_is_assembled_once_by_whomever() -> None:
    later = replace(ASSEMBLE, by="idp|else", at=NOON + timedelta(days=1), registrars=())
    assert later.pack == ASSEMBLE.pack
    NOTHING.and_when(ASSEMBLE).when(later).then()


def test_the_digest_does_not_depend_on_the_order_of_its_parts() -> None:
    turned = replace(ASSEMBLE, installs=(MACOS, WINDOWS), documents=tuple(reversed(ASSEMBLE.documents)))
    assert turned.pack == ASSEMBLE.pack


@pytest.mark.parametrize(
    "changed",
    [
        replace(ASSEMBLE, rollout_plan="all at once"),
        replace(ASSEMBLE, findings=FindingCounts(low=4)),
        replace(ASSEMBLE, installs=(replace(WINDOWS, uninstall_command="rm"), MACOS)),
        replace(ASSEMBLE, documents=ASSEMBLE.documents[1:]),
        replace(ASSEMBLE, application=replace(ASSEMBLE.application, version="2.2")),
        replace(ASSEMBLE, declared=replace(ASSEMBLE.declared, vendor_known=False)),
        replace(ASSEMBLE, components=1),
        replace(ASSEMBLE, critical=("CVE-2026-1",)),
        replace(ASSEMBLE, suppressed=1),
        replace(ASSEMBLE, exceptions=("exception-1",)),
        replace(ASSEMBLE, installs=(replace(WINDOWS, signer="CN=Example"), MACOS)),
    ],
)
def test_every_part_of_the_content_counts_in_the_digest(changed: ep.AssembleEvidencePack) -> None:
    assert changed.pack != ASSEMBLE.pack


def test_the_digest_is_over_canonical_json_that_keeps_letters_as_they_are() -> None:
    """Against a document written out by hand, so that a silent change of the form is found."""
    bare = replace(ASSEMBLE, planes=(), installs=(), documents=(), components=2, critical=("CVE-2026-1",))
    text = (
        '{"application":{"application_id":"text-editor","category":"utility","cmdb_tier":null,"name":"Éditeur",'
        '"privileged_tooling":false,"publisher":"Example","version":"2.1"},"components":2,"critical":["CVE-2026-1"],'
        '"declared":{"data_access":"own","exploitability":"none","operational_complexity":"short",'
        '"privilege":"user","provenance":"consistent","vendor_known":true},"documents":[],"exceptions":[],'
        '"findings":{"critical":0,"excepted":0,"high":0,"low":3,"medium":0,"unknown":0},'
        '"installs":[],"planes":[],"rollout_plan":"ring by ring","suppressed":0}'
    )
    assert json.loads(text)["application"]["name"] == "Éditeur"
    assert bare.pack == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        (replace(ASSEMBLE, installs=(WINDOWS,)), "an artifact for jamf"),
        (replace(ASSEMBLE, planes=(), installs=()), "an artifact for at least one plane"),
        (replace(ASSEMBLE, installs=(replace(WINDOWS, artifact=""), MACOS)), "an artifact for intune"),
        (replace(ASSEMBLE, installs=(replace(WINDOWS, install_command=" "), MACOS)), "an install command for intune"),
        (
            replace(ASSEMBLE, installs=(replace(WINDOWS, uninstall_command=""), MACOS)),
            "an uninstall command for intune",
        ),
        (replace(ASSEMBLE, installs=(replace(WINDOWS, return_codes=()), MACOS)), "return codes for intune"),
        (replace(ASSEMBLE, installs=(WINDOWS, replace(MACOS, detection=Detection("receipt")))), "a detection for jamf"),
        (
            replace(ASSEMBLE, installs=(WINDOWS, replace(MACOS, detection=Detection("msi", name="{1}")))),
            "a detection by receipt for jamf",
        ),
        (
            replace(ASSEMBLE, installs=(replace(WINDOWS, detection=Detection("receipt", name="org.example")), MACOS)),
            "a detection by file or registry or msi or script for intune",
        ),
        (
            replace(ASSEMBLE, installs=(replace(WINDOWS, detection=Detection("script", name="detect.ps1")), MACOS)),
            "the script of the detection for intune",
        ),
        (
            replace(ASSEMBLE, installs=(replace(WINDOWS, detection=Detection("file", name="app.exe")), MACOS)),
            "a path in the detection for intune",
        ),
        (
            replace(ASSEMBLE, installs=(replace(WINDOWS, return_codes=((1618, "retry"),)), MACOS)),
            "a return code that means success for intune",
        ),
        (
            replace(ASSEMBLE, installs=(WINDOWS, MACOS, replace(INTUNE_MACS, detection=replace(BUNDLE, value=" ")))),
            "the version of the detection for intune_macos",
        ),
        (
            replace(ASSEMBLE, installs=(WINDOWS, MACOS, replace(INTUNE_MACS, detection=MACOS.detection))),
            "a detection by bundle for intune_macos",
        ),
        (
            replace(ASSEMBLE, installs=(WINDOWS, replace(MACOS, detection=BUNDLE))),
            "a detection by receipt for jamf",
        ),
        (replace(ASSEMBLE, rollout_plan=" "), "a rollout plan (rollout_plan)"),
        (replace(ASSEMBLE, application=replace(ASSEMBLE.application, version="")), "the application's version"),
    ],
)
def test_what_is_required_and_not_there_is_named(lacking: ep.AssembleEvidencePack, told: str) -> None:
    assert missing(lacking) == (told,)


def test_intune_on_macos_takes_the_release_off_by_itself_and_is_asked_no_commands() -> None:
    assert missing(replace(ASSEMBLE, planes=(Plane.INTUNE_MACOS,), installs=(INTUNE_MACS,))) == ()
    both = replace(ASSEMBLE, planes=tuple(Plane), installs=(WINDOWS, MACOS, INTUNE_MACS))
    assert missing(both) == ()
    assert missing(replace(both, installs=(WINDOWS, MACOS))) == ("an artifact for intune_macos",)


@pytest.mark.parametrize("kind", ep.REQUIRED_DOCUMENTS)
def test_each_required_document_is_asked_for(kind: str) -> None:
    without = tuple(document for document in ASSEMBLE.documents if document.kind != kind)
    assert missing(replace(ASSEMBLE, documents=without)) == (ep.REQUIRED_DOCUMENTS[kind],)


def test_needs_and_restart_are_content_and_a_pack_that_says_nothing_keeps_its_digest() -> None:
    def digest(**changes: object) -> str:
        return replace(ASSEMBLE, installs=(replace(WINDOWS, **changes), MACOS)).pack

    assert digest() == ASSEMBLE.pack == BEFORE_NEEDS
    ways = (
        {"needs": InstallNeeds(memory_mb=4096)},
        {"needs": InstallNeeds(memory_mb=8192)},
        {"restart": Restart.FORCE},
    )
    assert len({digest(), *(digest(**one) for one in ways)}) == 4


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (
            replace(WINDOWS, needs=InstallNeeds(release="Windows12")),
            "needs.release: 'Windows12' is not known; name one",
        ),
        (replace(WINDOWS, needs=InstallNeeds(architectures=("arm64",))), "no word for 'arm64'"),
        (replace(WINDOWS, needs=InstallNeeds(architectures=("x64", "x64"))), "one is named twice"),
        (replace(WINDOWS, needs=InstallNeeds(free_disk_mb=0)), "needs.free_disk_mb: 0"),
        (replace(WINDOWS, needs=InstallNeeds(processors=2**31)), "needs.processors: 2147483648"),
        (replace(WINDOWS, needs=InstallNeeds(rules=(NeedRule("rumour"),))), "needs.rules[0].kind: 'rumour'"),
        (replace(WINDOWS, needs=InstallNeeds(rules=(NeedRule("file", "C:\\x"),))), "needs.rules[0].name: a file rule"),
        (
            replace(WINDOWS, needs=InstallNeeds(rules=(NeedRule("registry", "HKLM", "v", output="1"),))),
            "needs.rules[0].output: a registry rule writes nothing",
        ),
        (
            replace(WINDOWS, needs=InstallNeeds(rules=(NeedRule("file", "a", "b"),) * (RULES_MAX + 1))),
            f"keep {RULES_MAX} at most",
        ),
        (replace(MACOS, needs=InstallNeeds(memory_mb=1)), "needs: jamf has no word for them; leave them out"),
        (replace(MACOS, restart=Restart.SUPPRESS), "restart: jamf leaves that to the package; leave it out"),
    ],
)
def test_a_plan_that_asks_what_its_plane_cannot_is_refused_with_the_field(plan: InstallPlan, told: str) -> None:
    asked = replace(ASSEMBLE, installs=(plan,), planes=(plan.plane,))
    refusal = NOTHING.when(asked).then_refuses(ep.InstallNeedsInvalid)
    assert told in refusal.message


def test_needs_that_intune_can_ask_are_kept() -> None:
    rules = (NeedRule("script", name="fits", value="Write-Output 'yes'", output="yes"),)
    needs = InstallNeeds("Windows11_23H2", ("x64", "arm"), 5_000, 4_096, 2, 1_000, rules)
    story = NOTHING.when(replace(ASSEMBLE, installs=(replace(WINDOWS, needs=needs), MACOS)))
    (event,) = story.events()
    assert isinstance(event, ep.EvidencePackAssembled)
    assert event.installs[0].needs == needs


def test_two_install_plans_for_one_plane_are_refused() -> None:
    twice = replace(ASSEMBLE, installs=(WINDOWS, replace(WINDOWS, uninstall_command="other")))
    NOTHING.when(twice).then_refuses(ep.InstallPlanRepeated)
