"""What Entra's refusal of a token means for us, and what a person can do about it.

Sources: RFC 6749 section 5.2; Microsoft Entra "authentication and authorization error codes" and its client credentials
page, read 2026-11-22. Microsoft says to act on ``error`` and warns that the AADSTS numbers may change, so a number only
adds the way out to a sentence, and decides where ``error`` says too little.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final


class Verdict(Enum):
    """What to do with a refusal: come back later, mend our request, or ask a person."""

    PASSES = "passes"
    OURS = "ours"
    PERSON = "person"


_BY_WORD: Final[Mapping[str, Verdict]] = {
    "temporarily_unavailable": Verdict.PASSES,
    "server_error": Verdict.PASSES,
    "invalid_client": Verdict.PERSON,
    "unauthorized_client": Verdict.PERSON,
    "invalid_grant": Verdict.PERSON,
    "invalid_scope": Verdict.PERSON,
    "invalid_resource": Verdict.PERSON,
    "access_denied": Verdict.PERSON,
}
# The page pairs these with no ``error`` of their own, so that word may be any.
_PASSING_NUMBERS: Final = frozenset({50000, 90006, 90024, 90033, 90055})
_OURS_BY_WORD: Final = frozenset({"invalid_request", "unsupported_grant_type"})

_SECRET: Final = "INTUNE_CLIENT_SECRET"
_CERTIFICATE: Final = "INTUNE_CLIENT_CERTIFICATE_FILE"
_FEDERATED: Final = "the app registration's federated credential and the token in INTUNE_FEDERATED_TOKEN_FILE"
_WAYS_OUT: Final[Mapping[int, str]] = {
    7000215: f"the secret is wrong; put the secret's value, not its id, in {_SECRET}",
    7000222: f"the secret has expired; create a new one in the app registration, and put it where {_SECRET} says",
    7000218: "no credential arrived; set a secret, a certificate or a federated token file",
    7000112: "the application is disabled in the tenant; an administrator has to enable it",
    700016: "the tenant does not know the application; check INTUNE_CLIENT_ID and INTUNE_TENANT_ID, and admin consent",
    700021: "the assertion is for another application; check INTUNE_CLIENT_ID",
    700023: "the assertion is for another tenant or cloud; check INTUNE_TENANT_ID and INTUNE_LOGIN_URL",
    700024: "the assertion is too old or too new; check this machine's clock",
    700027: f"the certificate is not registered, or has ended; add the one in {_CERTIFICATE} to the app registration",
    50012: f"the certificate is not registered, or has ended; add the one in {_CERTIFICATE} to the app registration",
    50013: f"the certificate is not registered, or has ended; add the one in {_CERTIFICATE} to the app registration",
    50027: "the assertion is no valid token; check the credential's file",
    70021: f"no federated credential fits; compare {_FEDERATED}",
    700211: f"the issuer fits no federated credential; compare {_FEDERATED}",
    700212: f"the audience fits no federated credential; compare {_FEDERATED}",
    700213: f"the subject fits no federated credential (upper and lower case count); compare {_FEDERATED}",
    90002: "there is no such tenant; check INTUNE_TENANT_ID, and INTUNE_LOGIN_URL for a national cloud",
    90014: "a field is missing from our request",
    900144: "a field is missing from our request",
    70011: "the scope is wrong; check INTUNE_GRAPH_URL",
    500011: "the tenant does not know this resource; check INTUNE_GRAPH_URL and INTUNE_LOGIN_URL",
    53003: "a conditional access policy blocks the application; exempt it, or fulfil the policy",
    90055: "too many token requests for the tenant; it is tried again later",
}
# Seen with a seventh digit that tells variants apart (Azure/login issue 517: 7002138).
_FAMILIES: Final = (700211, 700212, 700213)
_NUMBER: Final = re.compile(r"AADSTS(\d{4,10})\b")


def verdict(word: str, number: int | None) -> Verdict:
    """What a refusal with that ``error`` word and AADSTS number asks of us."""
    if (known := _BY_WORD.get(word)) is not None:
        return known
    if number in _PASSING_NUMBERS:
        return Verdict.PASSES
    return Verdict.OURS if word in _OURS_BY_WORD else Verdict.PERSON


def number_of(body: Mapping[str, Any]) -> int | None:
    """The AADSTS number of an error body, from ``error_codes`` or else from the description."""
    match body.get("error_codes"):
        case [int(number), *_]:
            return number
    found = _NUMBER.search(str(body.get("error_description", "")))
    return None if found is None else int(found[1])


def way_out(number: int | None) -> str:
    """A sentence for people; empty for a number that we do not know."""
    if number is None:
        return ""
    known = _WAYS_OUT.get(number)
    if known is None:
        known = next((_WAYS_OUT[family] for family in _FAMILIES if number // 10 == family), "")
    return known
