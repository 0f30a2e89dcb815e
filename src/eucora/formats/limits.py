"""How many elements a document may have, and what to do with more."""

import re
from typing import Final

COMPONENTS_MAX: Final = 500_000
VULNERABILITY_ID: Final = re.compile(r"[!#-\[\]-~]{1,100}")  # printable ASCII, and nothing that JSON escapes
FINDINGS_MAX: Final = 200_000
STATEMENTS_MAX: Final = 200_000

TOO_MANY_COMPONENTS: Final = (
    f"An SBOM has at most {COMPONENTS_MAX:,} components: make one for each artifact, and list packages, not files."
)
TOO_MANY_FINDINGS: Final = (
    f"A report has at most {FINDINGS_MAX:,} findings: scan the artifact alone, "
    "or hand in one report for each of its parts."
)
TOO_MANY_STATEMENTS: Final = f"A VEX document has at most {STATEMENTS_MAX:,} statements: hand in several."
LONG_ID: Final = (
    "An id is at most 100 printable ASCII characters without spaces, such as CVE-2026-1234: correct the report."
)
