"""Which issuers of CI tokens an installation may trust, and so which addresses it goes to for their keys.

Said by whoever runs it, in a setting, and not by those who administer its roles: to trust an issuer is to send requests
to an address that somebody names (OWASP API Security Top 10, API7; ASVS 5.0, 13.2.4 and 13.2.5).
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that may be named by plain http: a simulator on this machine."""
_SUFFIX: Final = re.compile(r"\*(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?){2,}")
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class IssuerList:
    """Entries: an issuer to the letter, or ``*.example.org`` for every https host below that name, on the usual port.

    Empty: nobody may be trusted.
    """

    entries: tuple[str, ...] = ()

    def allows(self, issuer: str) -> bool:
        """Whether an issuer may be trusted; a slash at its end does not matter."""
        address = urlsplit(issuer)
        return any(
            _below(entry, address.scheme, address.hostname or "", address.port or _PORTS.get(address.scheme, 0))
            if entry.startswith("*")
            else entry.rstrip("/") == issuer.rstrip("/")
            for entry in self.entries
        )

    def reaches(self, scheme: str, host: str, port: int) -> bool:
        """Whether a request may go there: to where an issuer of the list is, as its keys are mostly beside it."""
        return any(
            _below(entry, scheme, host, port) if entry.startswith("*") else _origin(entry) == (scheme, host, port)
            for entry in self.entries
        )


def problem_of(entry: str) -> str | None:
    """What is wrong with an entry, to be read after it; None: nothing is."""
    if _SUFFIX.fullmatch(entry) or is_issuer(entry):
        return None
    return "is neither an https address nor *. and a name with a dot (plain http only to this machine)"


def is_issuer(text: str) -> bool:
    """Whether it may be an issuer's address: https, or plain http to this machine (RFC 8414, section 2)."""
    try:
        address = urlsplit(text)
        host, _ = address.hostname, address.port  # asking for the port is what checks it
    except ValueError:
        return False
    safe = address.scheme == "https" or (address.scheme == "http" and host in LOOPBACK)
    return safe and bool(host) and not (address.query or address.fragment or address.username)


def _below(entry: str, scheme: str, host: str, port: int) -> bool:
    return (scheme, port) == ("https", 443) and host.endswith(entry[1:]) and len(host) > len(entry) - 1


def _origin(entry: str) -> tuple[str, str, int]:
    address = urlsplit(entry)
    return address.scheme, address.hostname or "", address.port or _PORTS[address.scheme]
