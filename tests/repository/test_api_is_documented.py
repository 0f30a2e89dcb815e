"""Every call of the API has its line in docs/api.md, and nothing else has."""

import re

from repository_files import ROOT

from eucora.api.app import assemble

METHODS = {"get", "post", "put", "patch", "delete"}


def test_the_paper_and_the_code_name_the_same_calls() -> None:
    paper = (ROOT / "docs" / "api.md").read_text()
    listed = re.findall(r"^\| `([A-Z]+ /\S+)` \| [^|]+ \|$", paper, flags=re.MULTILINE)
    paths = assemble("any").openapi()["paths"]
    offered = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in paths.items()
        for method in methods
        if method in METHODS
    }
    assert len(offered) > 90
    assert set(listed) == offered
    assert len(listed) == len(set(listed))
