"""What governance costs: a ring of 300,000 devices measured and judged, device states taken in, scans read."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from bench.report import Comparison, compare
from eucora.application.devices import CohortDevice
from eucora.application.planes import Observation
from eucora.domain import gates, vulnerabilities
from eucora.domain.gate_types import GateFacts, IncidentFacts
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Ring
from eucora.formats.evidence import EvidenceFiles
from eucora.store.database import APP, connected
from eucora.store.devices import PostgresDevices
from eucora.store.embedded import Server

DEVICES: Final = 300_000
BATCH: Final = 1_000  # states of one page of a vendor's answer
GATES_S_MAX: Final = 2.0  # DESIGN 11
INGEST_MIN: Final = 20_000.0  # rows/s; DESIGN 11
FINDINGS: Final = 100_000
INTENT: Final = "bench-intent"
NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPENED: Final = NOW - timedelta(days=8)


def device(number: int) -> CohortDevice:
    site = list(SiteClass)[number % 10 // 8 + number % 100 // 95]  # most online, a few air-gapped
    name = f"device-{number:06}"
    return CohortDevice(Plane.INTUNE, name, name, name.upper(), site, number % 500 == 0, "group", NOW)


def state(number: int) -> Observation:
    """98.5 % installed within hours, 0.5 % failed, the rest not heard of."""
    name, seen = f"device-{number:06}", OPENED + timedelta(minutes=30 + number % 600)
    if number % 200 == 7:
        return Observation(name, InstallState.FAILED, seen, NOW, code="0x80070643")
    silent = number % 100 == 3
    return Observation(name, InstallState.PENDING if silent else InstallState.INSTALLED, seen, NOW)


async def devices(server: Server, database: str, rounds: int) -> tuple[list[Comparison], dict[str, object]]:
    """Rates beside the same rows in plain SQL; what DESIGN 11 promises in seconds is a fact of its own."""
    async with connected(server.dsn(database, APP)) as pool:
        table = PostgresDevices(pool)
        await table.freeze(INTENT, Ring.GLOBAL, Plane.INTUNE, [device(number) for number in range(DEVICES)])
        pages = [[state(number) for number in range(at, at + BATCH)] for at in range(0, DEVICES, BATCH)]
        start = time.perf_counter()
        for page in pages:
            await table.record(INTENT, Ring.GLOBAL, Plane.INTUNE, page, now=NOW)
        ingest = DEVICES / (time.perf_counter() - start)
        floor_ingest = await _plain_ingest(server, database, pages)
        await pool.execute("select 1")
        ours, plain = [], []
        for _ in range(rounds):
            ours.append(DEVICES / await _judged(table))
            plain.append(DEVICES / await _plain_count(server, database))
    slowest = DEVICES / min(ours)
    facts: dict[str, object] = {
        "gate evaluation": {"devices": DEVICES, "seconds": round(slowest, 3), "at_most": GATES_S_MAX},
        "device states": {"rows_per_s": round(ingest), "at_least": INGEST_MIN},
    }
    return [
        compare("gates over 300,000 devices / plain count", ours, plain, None, unit="devices/s"),
        compare("device states taken in / plain upsert", [ingest], [floor_ingest], 0.3, unit="rows/s"),
    ], facts


async def _judged(table: PostgresDevices) -> float:
    """Seconds to measure and judge the whole ring."""
    start = time.perf_counter()
    reading = await table.measure(
        INTENT, Ring.GLOBAL, started_at={Plane.INTUNE: OPENED}, now=NOW, reachable_within_s=86_400
    )
    facts = GateFacts(reading, OPENED, NOW, IncidentFacts(), rollback_validated=True, approval_problem=None)
    run = gates.evaluate(replace(GATE_POLICY_1_0, version="bench"), Ring.GLOBAL, facts)
    took = time.perf_counter() - start
    if sum(count.targeted for count in reading.counts) != DEVICES or not run.results:
        raise AssertionError("the ring was not measured whole")
    return took


async def _plain_count(server: Server, database: str) -> float:
    connection = await asyncpg.connect(server.dsn(database, APP))
    try:
        start = time.perf_counter()
        await connection.fetch("select state, count(*) from device_install where intent_id = $1 group by state", INTENT)
        return time.perf_counter() - start
    finally:
        await connection.close()


async def _plain_ingest(server: Server, database: str, pages: Sequence[Sequence[Observation]]) -> float:
    """Rows a second of one upsert statement a page into a table of the same columns and key, with no rule at all."""
    connection = await asyncpg.connect(server.dsn(database))
    try:
        await connection.execute("create table plain_state (like device_install including all)")
        statement = (
            "insert into plain_state (intent_id, ring, plane, device_id, state, code, detail, observed_at, "
            "last_check_in) select $1, $2, $3, o.* from unnest($4::text[], $5::text[], $6::text[], $7::text[], "
            "$8::timestamptz[], $9::timestamptz[]) o on conflict (intent_id, ring, plane, device_id) do update set "
            "state = excluded.state, code = excluded.code, detail = excluded.detail, "
            "observed_at = excluded.observed_at, last_check_in = excluded.last_check_in"
        )
        start = time.perf_counter()
        for page in pages:
            columns = [
                [s.device_id for s in page],
                [s.state.value for s in page],
                [s.code for s in page],
                [s.detail for s in page],
                [s.observed_at for s in page],
                [s.last_check_in for s in page],
            ]
            await connection.execute(statement, INTENT, int(Ring.GLOBAL), Plane.INTUNE.value, *columns)
        took = time.perf_counter() - start
        await connection.execute("drop table plain_state")
        return DEVICES / took
    finally:
        await connection.close()


def evidence(folder: Path, rounds: int) -> list[Comparison]:
    """Scans of 100,000 findings read and merged, beside ``json.load`` of the same file and nothing else."""
    found = []
    for tool, document in (("grype", _grype()), ("trivy", _trivy())):
        path = folder / f"{tool}.json"
        path.write_text(json.dumps(document))
        ours, plain = [], []
        for _ in range(rounds):
            start = time.perf_counter()
            scan = EvidenceFiles().scan(path)
            merged = vulnerabilities.merge([scan])
            ours.append(FINDINGS / (time.perf_counter() - start))
            if len(merged) != FINDINGS:
                raise AssertionError(f"{len(merged)} findings of {FINDINGS}")
            start = time.perf_counter()
            with path.open() as file:
                json.load(file)
            plain.append(FINDINGS / (time.perf_counter() - start))
        found.append(compare(f"{tool} scan, read and merged / json.load", ours, plain, None, unit="findings/s"))
    return found


SEVERITIES: Final = ("Critical", "High", "Medium", "Low")


def _grype() -> dict[str, Any]:
    matches = [
        {
            "vulnerability": {
                "id": f"CVE-2026-{number:06}",
                "severity": SEVERITIES[number % 4],
                "dataSource": "https://nvd.nist.gov",
                "fix": {"versions": ["2.0"], "state": "fixed"},
            },
            "artifact": {"name": f"part-{number % 500}", "version": "1.0", "purl": f"pkg:npm/part-{number % 500}@1.0"},
        }
        for number in range(FINDINGS)
    ]
    return {"matches": matches, "source": {"target": "bench"}, "descriptor": {"name": "grype", "version": "1"}}


def _trivy() -> dict[str, Any]:
    found = [
        {
            "VulnerabilityID": f"CVE-2026-{number:06}",
            "PkgName": f"part-{number % 500}",
            "InstalledVersion": "1.0",
            "FixedVersion": "2.0",
            "Severity": SEVERITIES[number % 4].upper(),
        }
        for number in range(FINDINGS)
    ]
    results = [{"Target": "bench", "Class": "lang-pkgs", "Type": "npm", "Vulnerabilities": found}]
    return {"SchemaVersion": 2, "ArtifactName": "bench", "ArtifactType": "filesystem", "Results": results}
