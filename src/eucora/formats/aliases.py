"""Other ids of the same vulnerability, told apart from advisories over several."""

import re
from collections.abc import Iterable
from typing import Final

# Databases whose entries are one vulnerability each. Advisories of distributions (RHSA, DSA, USN, ELSA, …) bundle
# several, and scanners list them in the same fields: as aliases they would make two vulnerabilities one.
_ONE_EACH: Final = re.compile(r"(CVE|GHSA|GO|GSD|HSEC|JLSEC|MAL|OSV|PYSEC|RUSTSEC|SNYK)-", re.IGNORECASE)
_CVE: Final = re.compile(r"CVE-", re.IGNORECASE)


def aliases_of(own: str, named: Iterable[str]) -> tuple[str, ...]:
    """Those of ``named`` that are the vulnerability ``own`` under another id, in their order, each once.

    Two CVE ids are never one vulnerability: where there is more than one, none of the others is an alias.
    """
    others = tuple(dict.fromkeys(other for other in named if other != own and _ONE_EACH.match(other)))
    cves = {other for other in (own, *others) if _CVE.match(other)}
    if len(cves) > 1:
        others = tuple(other for other in others if other not in cves)
    return others
