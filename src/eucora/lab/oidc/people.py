"""The people of the story, and the programs that act beside them: who they are and which groups they are in.

Roles come from groups: ``eucora-<role with hyphens>``; a publisher's group may name its scope after an ``@``, as
``<business unit>/<acquisition boundary>``.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who can sign in. ``subject`` never changes and is never given to anybody else."""

    username: str
    name: str
    groups: tuple[str, ...]

    @property
    def subject(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"https://lab.example/people/{self.username}"))


@dataclass(frozen=True, slots=True)
class Client:
    """A program. One with groups has a secret and acts for itself; one without acts for people.

    ``redirect_uris``: where a browser may be sent back to, to the letter; a client without any takes passwords instead.
    """

    client_id: str
    name: str
    groups: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()

    @property
    def confidential(self) -> bool:
        return bool(self.groups)


PEOPLE: Final[tuple[Person, ...]] = (
    Person("ada.platform", "Ada Moreau", ("eucora-platform-admin",)),
    Person("piet.packager", "Piet Jansen", ("eucora-packaging-engineer",)),
    Person("petra.publisher", "Petra Novak", ("eucora-publisher@retail/emea",)),
    Person("paolo.publisher", "Paolo Tanaka", ("eucora-publisher@logistics/apac",)),
    Person("carla.cab", "Carla Okafor", ("eucora-cab-approver",)),
    Person("chen.cab", "Chen Wei", ("eucora-cab-approver",)),
    Person("cyrus.cab", "Cyrus Haddad", ("eucora-cab-approver",)),
    Person("sana.security", "Sana Lindqvist", ("eucora-security-reviewer",)),
    Person("oskar.operator", "Oskar Weber", ("eucora-endpoint-operator",)),
    Person("aiko.auditor", "Aiko Fernandes", ("eucora-auditor",)),
    # These hold two roles that separation of duties keeps apart on one artifact.
    Person("dora.both", "Dora Kim", ("eucora-packaging-engineer", "eucora-publisher@retail/emea")),
    Person("cleo.both", "Cleo Park", ("eucora-packaging-engineer", "eucora-cab-approver")),
)
CONSOLE: Final = "eucora-console"
# Where the service listens unless it is told otherwise, and where a console under development does.
CONSOLE_REDIRECTS: Final = tuple(
    f"http://{host}:{port}/console/signed-in" for host in ("127.0.0.1", "localhost") for port in (8080, 5173)
)
CLIENTS: Final[tuple[Client, ...]] = (
    Client("eucora-cli", "EUCORA command line"),
    Client("eucora-automation", "EUCORA automation", ("eucora-auditor",)),
    Client(CONSOLE, "EUCORA console", redirect_uris=CONSOLE_REDIRECTS),
)


def password_for(username: str, seed: int) -> str:
    """The person's password in the lab of that seed."""
    return _secret("person", username, seed)


def client_secret_for(client_id: str, seed: int) -> str:
    """The secret of a confidential client in the lab of that seed."""
    return _secret("client", client_id, seed)


def _secret(kind: str, name: str, seed: int) -> str:
    mac = hmac.digest(f"eucora-lab-{seed}".encode(), f"{kind}:{name}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:24]).decode()
