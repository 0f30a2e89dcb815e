"""Everything that was said on the lab's wire in a whole test run, held to the vendors' descriptions at its end.

Our connectors' requests are checked, and every answer of the lab, whoever asked. What is off the description and meant
so stands in ``KNOWN`` with its reason; on a run of all tests an entry that nothing met fails the run too.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from defusedxml.ElementTree import fromstring

from classic_documents import deviations
from eucora.lab.recorder import Exchange
from eucora.lab.spool import VARIABLE, read
from graph_exchanges import described, parts
from vendor_contracts import FOLDER, contract

GRAPH, PRO, CLASSIC = "graph-v1.0-intune.openapi.yaml", "jamf-pro.openapi.json", "jamf-classic.openapi.json"
INSTALLERS = "jamf-app-installers.openapi.json"
DESCRIPTIONS: Final = (GRAPH, PRO, CLASSIC, INSTALLERS)
_OURS: Final = "eucora/"
_ENVELOPE: Final = {"$ref": "#/components/schemas/ApiError"}


@dataclass(frozen=True)
class Known:
    """Deviations whose text fits ``pattern``, and why they are right."""

    pattern: str
    reason: str


KNOWN: Final = (
    Known(
        r"/graph/beta/deviceManagement/operationApprovalRequests.*: not below /graph/v1.0",
        "Multi Admin Approval has an API in Graph's beta only, and the description is of v1.0",
    ),
    Known(
        r"/devices\(deviceId=.*: no such operation",
        "the type description has the alternate key; the paths come from an SDK that leaves it out",
    ),
    Known(
        r"/api/oauth/token: no such operation", "the older token path is in Jamf's guide, not in the server's schema"
    ),
    Known(
        r"DELETE /JSSResource/logflush: no such operation",
        "in Jamf's reference of the Classic API, but not among the operations that the description was cut to",
    ),
    Known(
        r"/JSSResource/\w+/name/.*: no such operation",
        "a slash in a name is sent encoded, and stands decoded in what the lab's server says was asked",
    ),
    Known(
        r"^(?:GET|PUT|POST|DELETE) \S+ -> [45]\d\d: the status is not described",
        "Jamf's descriptions name few of the refusals; their bodies are held to what it says of all of them",
    ),
    Known(
        r"^(?:POST|PUT|DELETE) /(?:policies|computergroups)/id/\{id\} -> 20[01]: response of type 'application/xml'",
        "that writes answer with the id of what they wrote is in Jamf's guide, not in the description",
    ),
    Known(r"^answer to (?:POST|PUT|DELETE): policy/id is not described", "the same: a write answers with the id alone"),
    Known(
        r"^request (?:POST|PUT): computer_group/computer_(?:additions|deletions) is not described",
        "changes by difference are in Jamf's guide; the description has whole lists only",
    ),
    Known(
        r"policy_log/date_completed(?:_epoch|_utc)? is not described",
        "live servers send these where the description has date_time, date_time_epoch and date_time_utc",
    ),
    Known(
        r"^answer to GET: policy/scope/exclusions/users/user/id is not described",
        "the lab numbers every entry of a scope; the description does so everywhere but here",
    ),
    Known(
        r"^GET /(?:policies|computergroups)\S* -> 200: response \$: .* is not of type 'array'",
        "the description is of the XML; as JSON a list stands under the name that the XML's root has",
    ),
    Known(
        r"^GET \S+ -> 200: response \$: Unevaluated properties .*'error' was unexpected",
        "a fault that a test ordered: the body of an error under the status of a success",
    ),
    Known(
        r" -> 5\d\d: response of type 'text/html' is not described",
        "a fault: the page of a proxy in front of the vendor, which is what the vendor itself does not describe",
    ),
    Known(
        r"/graph/v1.0/(?:users/|groups/[^/]+/transitiveMembers/(?:microsoft\.)?graph\.user).*: no such operation",
        "people and the groups they are in stand in Microsoft's reference, not in what the description was cut to",
    ),
)

# What no vendor describes in a form that a program can read; the rules about it are tested one by one.
UNDESCRIBED: Final = {
    "/entra/": "Microsoft describes the token endpoint in prose only",
    "/blob/": "Azure Storage is described in prose only",
    "/kandji/": "the vendor publishes a Postman collection, no description",
    "/vault/": "Vault publishes no description that could be laid beside ours",
    "/keyvault/": "the description of Key Vault was not laid beside ours",
    "/machine/": "Microsoft describes the identity services of its machines in prose only",
    "/oidc/": "the lab's own identity provider, no vendor's",
    "/admin": "the lab's own switches, no vendor's",
}


@dataclass
class Findings:
    """What a run's exchanges came to."""

    checked: int = 0
    undescribed: Counter[str] = field(default_factory=Counter)
    deviations: Counter[str] = field(default_factory=Counter)
    known: Counter[Known] = field(default_factory=Counter)

    @property
    def outlived(self) -> list[Known]:
        """Entries of the list that nothing met."""
        return [known for known in KNOWN if not self.known[known]]


def described_here() -> bool:
    """Whether the vendors' descriptions lie beside the repository."""
    return all((FOLDER / name).exists() for name in DESCRIPTIONS)


def check(folder: Path) -> Findings:
    """Hold what was written into ``folder`` to the descriptions beside the repository."""
    findings = Findings()
    for exchange in read(folder):
        prefix = next((prefix for prefix in UNDESCRIBED if exchange.path.startswith(prefix)), None)
        if prefix is not None:
            findings.undescribed[prefix] += 1
            continue
        findings.checked += 1
        for text in _deviations(exchange):
            known = next((known for known in KNOWN if re.search(known.pattern, text)), None)
            if known is None:
                findings.deviations[text] += 1
            else:
                findings.known[known] += 1
    return findings


def _deviations(exchange: Exchange) -> Iterator[str]:
    """Every deviation once. A cut answer says nothing, and what was asked for in vain need not be there."""
    if exchange.response_body is None and not exchange.response_type:
        return
    if exchange.path.startswith("/graph/"):
        for part in _graph(exchange):
            yield from _held(part, GRAPH, "/graph/v1.0")
        return
    jamf = replace(exchange, path=exchange.path.removeprefix("/jamf"))
    if jamf.path.startswith("/JSSResource/"):
        yield from _held(jamf, CLASSIC, "/JSSResource")
        yield from _documents(jamf)
    else:
        yield from _held(jamf, INSTALLERS if "/app-installers/" in jamf.path else PRO, "/api")
        if jamf.status >= 400 and not jamf.path.endswith("/oauth/token"):
            yield from _refusal(jamf)


def _held(exchange: Exchange, description: str, base: str) -> Sequence[str]:
    """As the description says it; in the Classic API a property more is no deviation here (see ``_documents``)."""
    ours = exchange.agent.startswith(_OURS)
    found = contract(description, closed=description != CLASSIC).deviations(exchange, base=base, request=ours)
    nowhere = all(text.endswith((": no such operation", f": not below {base}")) for text in found)
    return [] if nowhere and not ours and exchange.status >= 400 else found


def _refusal(exchange: Exchange) -> Iterator[str]:
    """A refusal of the Pro API has the one envelope, described with its status or not; a page is a proxy's."""
    if exchange.response_type.startswith("application/json") and exchange.response_body:
        for text in contract(PRO, closed=True).check(_ENVELOPE, json.loads(exchange.response_body)):
            yield f"{exchange.method} {exchange.path} -> {exchange.status}: refusal {text}"


def _graph(exchange: Exchange) -> Iterable[Exchange]:
    if not exchange.path.endswith("/$batch"):
        return [described(exchange)]
    if exchange.status != 200 or not exchange.response_body:
        return []  # the envelope is described in prose
    return [described(replace(part, agent=exchange.agent)) for part in parts(exchange, base="/graph/v1.0")]


def _documents(exchange: Exchange) -> Iterator[str]:
    """The XML of both sides, which the description speaks of as if it were JSON; refusals are pages for people."""
    if exchange.status >= 400:
        return
    schemas = contract(CLASSIC).schemas
    sides = [(f"answer to {exchange.method}", exchange.response_type, exchange.response_body)]
    if exchange.agent.startswith(_OURS):
        sides.append((f"request {exchange.method}", exchange.request_type, exchange.request_body))
    for side, media_type, body in sides:
        if body and media_type.partition(";")[0].endswith("xml"):
            document = fromstring(body)
            if document.tag not in schemas:
                yield f"{side}: {document.tag} is not described"
                continue
            for text in deviations(schemas, schemas[document.tag], document, document.tag):
                yield f"{side}: {text}"


class WholeWire:
    """The plugin: every lab of the run, in whatever process, writes into one folder, which is read at the end.

    Under pytest-xdist the workers and what they start inherit the folder, and the controller alone reads it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._folder = TemporaryDirectory(prefix="eucora-wire-")
        self._findings: Findings | None = None
        # Part of the tests is no reason to miss a deviation that others would meet.
        self._all = config.args_source is pytest.Config.ArgsSource.TESTPATHS
        self._all &= not (config.option.keyword or config.option.markexpr)
        os.environ[VARIABLE] = self._folder.name

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        with self._folder:
            os.environ.pop(VARIABLE, None)
            if described_here():
                self._findings = check(Path(self._folder.name))
        if self._findings is not None and self._findings.deviations and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        findings, say = self._findings, terminalreporter
        if findings is None:
            say.write_line("The wire was not held to the vendors' descriptions: they are not beside the repository.")
            return
        if not (findings.checked or findings.undescribed):
            return
        aside = sum(findings.known.values())
        say.write_line(f"Held to the vendors' descriptions: {findings.checked} exchanges, {aside} known deviations.")
        if findings.deviations:
            say.section("exchanges off the vendors' descriptions", red=True)
            for text, times in findings.deviations.most_common():
                say.write_line(f"FAILED {text} ({times} times)", red=True)
        for known in findings.outlived if self._all else ():
            say.write_line(f"A known deviation was not met: take it off the list, or test it: {known.pattern}")
