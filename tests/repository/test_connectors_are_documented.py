"""What the connectors ask of a vendor is what their pages tell people to grant."""

import re

import pytest
from repository_files import ROOT

from eucora.connectors.intune import checkup as intune
from eucora.connectors.jamf import checkup as jamf

GRANTED = {
    "intune.md": [permission.names[0] for permission in intune.PERMISSIONS],
    "jamf.md": [privilege.name for privilege in jamf.PRIVILEGES],
}


@pytest.mark.parametrize("page", sorted(GRANTED))
def test_the_page_lists_exactly_what_the_check_looks_for(page: str) -> None:
    text = (ROOT / "docs" / "connectors" / page).read_text()
    table = text.partition("| needed to |")[2].partition("\n\n")[0]
    assert re.findall(r"^ *\| `([^`]+)` \|", table, re.MULTILINE) == GRANTED[page]
