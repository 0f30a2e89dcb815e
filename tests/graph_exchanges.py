"""Exchanges with Microsoft Graph in the form in which the vendor's description can speak of them."""

import json
from collections.abc import Iterator
from dataclasses import replace

from eucora.lab.recorder import Exchange

_DELTA = "/groups/delta"


def described(exchange: Exchange) -> Exchange:
    """A delta round as a call with parentheses, and without ``members@delta``, which stands in the vendor's prose only.

    Without the parentheses the function would be taken for a group of that name.
    """
    if not exchange.path.removesuffix("()").endswith(_DELTA) or exchange.status != 200:
        return exchange
    body = json.loads(exchange.response_body or b"{}")
    for row in body["value"]:
        row.pop("members@delta", None)
    path = exchange.path.removesuffix("()") + "()"
    return replace(exchange, path=path, response_body=json.dumps(body).encode())


def parts(exchange: Exchange, *, base: str) -> Iterator[Exchange]:
    """The requests and answers inside a ``$batch``, each as if it came alone; the vendor describes those only."""
    asked = json.loads(exchange.request_body or b"{}")["requests"]
    answers = {answer["id"]: answer for answer in json.loads(exchange.response_body or b"{}")["responses"]}
    for part in asked:
        path, _, query = part["url"].partition("?")
        answer = answers[part["id"]]
        body, said = part.get("body"), answer.get("body")
        yield Exchange(
            method=part["method"],
            path=base + path,
            query=query,
            request_type=next((v for k, v in (part.get("headers") or {}).items() if k.lower() == "content-type"), ""),
            request_body=b"" if body is None else json.dumps(body).encode(),
            status=answer["status"],
            # A body that stands in the answer as an object is JSON, whether its headers say so or not.
            response_type=next(
                (v for k, v in (answer.get("headers") or {}).items() if k.lower() == "content-type"),
                "application/json" if isinstance(said, dict) else "",
            ),
            response_body=b"" if said is None else json.dumps(said).encode(),
        )
