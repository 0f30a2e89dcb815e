"""The two applications of the story, and what is made up about them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Application:
    """An application that exists only in the lab.

    ``roots``: the installed distributions that it is said to be built on; all of them when empty.
    """

    name: str
    version: str
    publisher: str
    identifier: str  # reverse domain name; the macOS receipt carries it
    purpose: str
    severities: tuple[str, ...]  # of the findings in its scan report, Grype's words
    roots: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name without spaces, for files."""
        return self.name.replace(" ", "")


# example.org is reserved for examples (RFC 2606): the identifiers can belong to nobody's product.
FIELD_NOTES = Application(
    name="Field Notes",
    version="1.4.2",
    publisher="Example Software",
    identifier="org.example.field-notes",
    purpose="Note taking for people in the field; runs as the signed-in user.",
    severities=("Low", "Medium"),
)
EDGE_TUNNEL = Application(
    name="Edge Tunnel",
    version="3.0.1",
    publisher="Example Networks",
    identifier="org.example.edge-tunnel",
    purpose="VPN client; installs a network extension and runs with administrator rights.",
    severities=("High", "Medium"),
    roots=("cryptography", "httpx", "asyncpg", "uvicorn"),
)
