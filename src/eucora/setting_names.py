"""Names in the environment that look like settings and are none: a slip there would change nothing, unheard."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final

OURS: Final = "EUCORA_"
VENDORS: Final = ("INTUNE_", "JAMF_", "KANDJI_")  # other programs have settings of these names too
# The command line's own, compose.yaml's own, and those of our tests.
ELSEWHERE: Final = re.compile(r"EUCORA_(SERVER|TOKEN|IMAGE|PUBLISHED_PORT|(TEST|FUZZ)_\w+)")
# Kubernetes puts them into every pod beside a service that is called eucora, or eucora-something
# (Kubernetes, "Service"; read 2026-11-23). The last one is an address, and may have the name of our own port.
SERVICE_LINKS: Final = re.compile(r"EUCORA_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
LINK: Final = re.compile(r"(EUCORA_(?:\w+_)?PORT)=(tcp|udp|sctp)://.*")
_CLOSE: Final = 0.85


def is_link(name: str, value: str) -> bool:
    """Whether Kubernetes says with it where a service of that name is."""
    return LINK.fullmatch(f"{name}={value}") is not None


def slip_in(environment: Mapping[str, str], names: Collection[str], secrets: Collection[str]) -> str | None:
    """What is wrong with the names in an environment, in one line; None: nothing is.

    ``names``: all settings; ``secrets``: those that may be read from a file, under their name and ``_FILE``.
    """
    known = {*names, *(f"{name}_FILE" for name in secrets)}
    for name in sorted(environment):
        if not environment[name] or not name.startswith((OURS, *VENDORS)):
            continue
        if name in known:
            if name in secrets and environment.get(f"{name}_FILE"):
                return f"{name} and {name}_FILE are set: keep one of them"
            continue
        close = get_close_matches(name, known, 1, _CLOSE)
        if name.startswith(OURS):
            if ELSEWHERE.fullmatch(name) or SERVICE_LINKS.fullmatch(name) or is_link(name, environment[name]):
                continue
        elif not close:
            continue
        meant = f"did you mean {close[0]}?" if close else "docs/settings.md lists them all"
        return f"{name}: there is no such setting; {meant}"
    return None
