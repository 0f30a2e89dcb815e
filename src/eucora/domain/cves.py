"""CVE ids, the names that vulnerabilities have in common."""

import re
from typing import Final

# Source: CVE Record Format, cveId: four digits of the year, then four or more; read 2026-11-22. Test data has fewer.
_CVE: Final = re.compile(r"CVE-\d{4}-\d+", re.IGNORECASE)


def is_cve(id: str) -> bool:
    """Whether the id is a CVE's, in any case."""
    return _CVE.fullmatch(id) is not None
