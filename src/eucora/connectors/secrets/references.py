"""A setting that says where its secret is kept, and what every keeper of secrets must be able to do.

``vault://<mount>/<path>#<field>``, ``aws-sm://<name>[#field]``, ``azure-kv://<vault>/<name>``: a reference is no secret
and may be shown; what it leads to never is.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

SECRET_MAX: Final = 64 * 1024  # characters; more is no password and no token
_FORM: Final = re.compile(
    r"(?P<scheme>[a-z-]+)://(?P<place>[A-Za-z0-9][A-Za-z0-9/_+=.@:-]*)(#(?P<field>[^#\s]{1,256}))?"
)
_VAULT_PLACE: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_+=.@:-]+)+")
# Source: Azure Key Vault, "About keys, secrets and certificates", object identifiers.
_KEY_VAULT_PLACE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]/[A-Za-z0-9-]{1,127}")


class SecretUnavailable(Exception):
    """A secret cannot be read. The message is one line that says what to do, and holds no secret."""


class Scheme(StrEnum):
    """Who keeps it: HashiCorp Vault (KV version 2), AWS Secrets Manager, Azure Key Vault."""

    VAULT = "vault"
    AWS = "aws-sm"
    AZURE = "azure-kv"


FORMS: Final = {
    Scheme.VAULT: "vault://<mount>/<path>#<field>",
    Scheme.AWS: "aws-sm://<name> or aws-sm://<name>#<field>",
    Scheme.AZURE: "azure-kv://<vault>/<name>",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is. ``place``: all between the scheme and the field; ``field`` empty: the secret as a whole."""

    scheme: Scheme
    place: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}" + (f"#{self.field}" if self.field else "")


class SecretProvider(Protocol):
    """One keeper of secrets."""

    async def read(self, reference: Reference) -> str:
        """The secret as it stands there now. Raises SecretUnavailable."""
        ...

    async def aclose(self) -> None: ...


def reference_in(value: str) -> Reference | None:
    """The reference that a setting is; None for a value that is the secret itself. Raises SecretUnavailable."""
    scheme = next((one for one in Scheme if value.startswith(f"{one}://")), None)
    if scheme is None:
        return None
    found = _FORM.fullmatch(value)
    wrong = SecretUnavailable(f"is no reference to a secret: write {FORMS[scheme]}")
    if found is None or ".." in found["place"]:
        raise wrong
    reference = Reference(scheme, found["place"], found["field"] or "")
    fits = {
        Scheme.VAULT: bool(_VAULT_PLACE.fullmatch(reference.place) and reference.field),
        Scheme.AWS: True,
        Scheme.AZURE: bool(_KEY_VAULT_PLACE.fullmatch(reference.place) and not reference.field),
    }
    if not fits[scheme]:
        raise wrong
    return reference


def usable(text: object, where: str) -> str:
    """``text`` without the space around it. Raises SecretUnavailable, naming ``where``, for what is no secret."""
    if not isinstance(text, str) or not 0 < len(text.strip()) <= SECRET_MAX:
        raise SecretUnavailable(f"{where} holds no text, or more than {SECRET_MAX} characters: store the secret there")
    if any(not one.isprintable() for one in text.strip()):
        raise SecretUnavailable(f"{where} holds control characters: store the secret as one line")
    return text.strip()


def field_of(document: str, reference: Reference) -> object:
    """A field of a JSON object. Raises SecretUnavailable."""
    try:
        body = json.loads(document)
    except (ValueError, RecursionError):
        raise SecretUnavailable(f"{reference} is no JSON object: leave out #{reference.field}") from None
    if not isinstance(body, dict) or reference.field not in body:
        raise SecretUnavailable(f"{reference} has no such field: name one that is there")
    return body[reference.field]
