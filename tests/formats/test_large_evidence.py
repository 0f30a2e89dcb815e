"""Large evidence is read in flat memory, and counts have a bound that says what to do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.json_events import EVENTS_MAX, event_batches
from eucora.formats.limits import COMPONENTS_MAX, FINDINGS_MAX
from eucora.formats.shape import Fields
from eucora.formats.xml_records import TAGS_MAX, xml_records

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # a tracer would make its millions of steps three times as dear

MIB = 2**20
LARGE = 200 * MIB
HEADROOM = 250 * MIB  # address space over that of the process before it reads
GROWTH_MAX = 150 * MIB  # of the resident set
MILLION = 1_000_000
FULL = [  # beginning of a document, a thousand brackets or elements, and how often that is one too many
    (b'{"bomFormat": "CycloneDX", "x": [', b"[]," * 1_000, EVENTS_MAX // 2_000 + 100),
    (b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><x>', b"<a/>" * 1_000, TAGS_MAX // 1_000 + 100),
]

# Reads one small document first, so that what is imported and kept once counts as idle.
CHILD = """
import resource, sys
from pathlib import Path
from eucora.formats.evidence import EvidenceFiles

read = getattr(EvidenceFiles(), sys.argv[1])
read(Path(sys.argv[2]))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
idle = peak()
facts = read(Path(sys.argv[3]))
print(len(getattr(facts, "components", None) or facts.findings), peak() - idle)
"""


def joined(head: bytes, parts: Iterator[bytes], tail: bytes, path: Path) -> int:
    """Write the document part by part; the number of parts."""
    with path.open("wb") as file:
        file.write(head)
        number = sum(1 for part in parts if file.write(part))
        file.write(tail)
    return number


def json_components(path: Path, size: int) -> int:
    filler = b"d" * 60_000
    parts = (
        b'%s{"name": "lib%d", "version": "1", "purl": "pkg:npm/lib%d@1", "description": "%s"}'
        % (b"," if i else b"", i, i, filler)
        for i in range(max(size // len(filler), 1))
    )
    return joined(b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [', parts, b"]}", path)


def xml_components(path: Path, size: int) -> int:
    filler = b"d" * 60_000
    parts = (
        b'<component type="library"><name>lib%d</name><version>1</version><description>%s</description></component>'
        % (i, filler)
        for i in range(max(size // len(filler), 1))
    )
    head = b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components>'
    return joined(head, parts, b"</components></bom>", path)


def trivy_findings(path: Path, size: int) -> int:
    filler = b"d" * 5_000
    parts = (
        b'%s{"VulnerabilityID": "CVE-2024-%d", "PkgName": "left", "InstalledVersion": "1", "Severity": "HIGH", '
        b'"References": ["a", "b", "c"], "Description": "%s"}' % (b"," if i else b"", i, filler)
        for i in range(max(size // len(filler), 1))
    )
    head = b'{"SchemaVersion": 2, "ArtifactName": "notes", "Results": [{"Target": "lock", "Vulnerabilities": ['
    return joined(head, parts, b"]}]}", path)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the address space is read from /proc")
@pytest.mark.parametrize(
    ("method", "write"), [("sbom", json_components), ("sbom", xml_components), ("scan", trivy_findings)]
)
def test_200_mb_are_read_in_flat_memory(tmp_path: Path, method: str, write: Callable[[Path, int], int]) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    write(small, 0)
    elements = write(large, LARGE)
    try:
        assert large.stat().st_size > LARGE - 2 * MIB
        command = [sys.executable, "-c", CHILD, method, str(small), str(large), str(HEADROOM)]
        done = subprocess.run(command, capture_output=True, check=False, text=True, env=dict(os.environ))
        assert done.returncode == 0, done.stderr
        read, growth = map(int, done.stdout.split())
        assert read == elements
        assert growth < GROWTH_MAX
    finally:
        large.unlink()  # pytest keeps the folders of three runs


GRYPE = (b'{"matches": [', b'{"vulnerability": {"id": "C"}, "artifact": {"name": "a"}}')
TRIVY = (
    b'{"SchemaVersion": 2, "ArtifactName": "a", "Results": [{"Target": "t", "Vulnerabilities": [',
    b'{"VulnerabilityID": "C", "PkgName": "a"}',
)
OSV = (b'{"results": [{"packages": [{"package": {"name": "a"}, "vulnerabilities": [', b'{"id": "C"}')
SARIF = (b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "a"}}, "results": [', b'{"ruleId": "C"}')


@pytest.mark.parametrize(("head", "finding"), [GRYPE, TRIVY, OSV, SARIF])
def test_a_million_findings_are_refused_with_the_bound_and_the_way_out(
    tmp_path: Path, head: bytes, finding: bytes
) -> None:
    path = tmp_path / "million.json"
    path.write_bytes(head + b",".join([finding] * MILLION))  # it never comes to the missing end
    with pytest.raises(UnreadableEvidence) as caught:
        EvidenceFiles().scan(path)
    path.unlink()
    assert caught.value.reason == f"there are more than {FINDINGS_MAX:,} findings"
    assert caught.value.place.endswith(f"[{FINDINGS_MAX}]")
    assert f"at most {FINDINGS_MAX:,} findings" in caught.value.way_out


def test_as_many_findings_as_the_bound_are_read(tmp_path: Path) -> None:
    head, finding = TRIVY
    path = tmp_path / "bound.json"
    path.write_bytes(head + b",".join([finding] * FINDINGS_MAX) + b"]}]}")
    assert len(EvidenceFiles().scan(path).findings) == 1  # all of them are the same one


def test_more_components_than_the_bound_are_refused_the_nested_ones_counted(tmp_path: Path) -> None:
    component = b'{"components": [{"name": "a"}], "name": "b"}'
    path = tmp_path / "components.json"
    path.write_bytes(
        b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [' + b",".join([component] * MILLION)
    )
    with pytest.raises(UnreadableEvidence) as caught:
        EvidenceFiles().sbom(path)
    path.unlink()
    assert caught.value.place == f"$.components[{COMPONENTS_MAX // 2}]"
    assert caught.value.reason == f"there are more than {COMPONENTS_MAX:,} components"
    assert f"at most {COMPONENTS_MAX:,} components" in caught.value.way_out


def test_json_is_read_up_to_the_bound_of_values_and_brackets_and_given_up_beyond_it() -> None:
    document = b"[" + b",".join([b"[]"] * 499) + b"]"  # a thousand brackets
    read = partial(event_batches, kind="an SBOM", way_out="Cut it.")
    assert sum(len(list(batch)) for batch in read(document, events_max=1_000)) == 1_000
    with pytest.raises(UnreadableEvidence, match="there are more than 999 values and brackets"):
        list(read(document, events_max=999))


def test_xml_is_read_up_to_the_bound_of_elements_and_given_up_beyond_it() -> None:
    document = b'<bom xmlns="urn:x">' + b"<a/>" * 999 + b"</bom>"
    read = partial(
        xml_records,
        document,
        Fields({}),
        root="bom",
        namespace="urn:x",
        version_key="v",
        kind="an SBOM",
        way_out="Cut it.",
    )
    assert len(list(read(tags_max=1_000))) == 1
    with pytest.raises(UnreadableEvidence, match="there are more than 999 elements"):
        list(read(tags_max=999))


@pytest.mark.machine
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("head", "piece", "pieces"),
    FULL if os.environ.get("EUCORA_TEST_LONG") else [(head, piece, 10) for head, piece, _ in FULL],
)
def test_a_file_of_nothing_but_brackets_is_no_evidence(tmp_path: Path, head: bytes, piece: bytes, pieces: int) -> None:
    """``make test-long`` tries more of them than a document may have, which takes minutes under coverage."""
    path = tmp_path / "brackets"
    joined(head, (piece for _ in range(pieces)), b"", path)
    with pytest.raises(UnreadableEvidence) as caught:
        EvidenceFiles().sbom(path)
    assert caught.value.way_out
    if pieces > 10:
        assert "there are more than" in caught.value.reason
