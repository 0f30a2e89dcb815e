"""Words of the description that belong to no single route: the nouns, and parameters that mean the same everywhere."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from eucora.api.locations import shown
from eucora.api.problems import ProblemDocument
from eucora.api.told_numbers import bound

# A tag is a noun, as in the paths; docs/glossary.md has the words.
NOUNS: Final[Mapping[str, str]] = {
    "artifacts": "Installer files, known by their SHA-256.",
    "audit": "The log as stored: every event in order.",
    "break-glass": "Sessions in which two people go past a rule for at most an hour, and are reviewed for it.",
    "cab-delegations": "CAB members' votes, lent to others for a time.",
    "cab-reviews": "Questions put to the change advisory board, with their votes and conditions.",
    "calibration": "Scores held against what became of the releases.",
    "change-windows": "When changes may be made, and when none may: windows and freezes, and the calendar of both.",
    "connectors": "How the services behind the planes fare.",
    "deployment-intents": "Wishes to bring a release to named groups, ring by ring, and all that becomes of them.",
    "drift-findings": "Differences between what was decided and what a plane holds.",
    "evidence-documents": "Files that evidence packs are made of.",
    "evidence-packs": "What is known about a release at one moment.",
    "gate-policies": "Versions of the thresholds that a ring is left by.",
    "governance-policies": "Versions of who must approve what, of quorums, clocks and limits.",
    "health": "Whether this process lives, has started, and should get traffic.",
    "incidents": "Trouble in the field: its severity, its releases, its cause and its end.",
    "operations": "Jobs that gave up, and how to try them again.",
    "people": "Who is signed in, and with which roles.",
    "policy-exceptions": "Waivers of a rule for a time, with the control that stands in for it.",
    "ring-board": "Every rollout by application and ring.",
    "risk-assessments": "What a release would score, and who would have to approve it.",
    "risk-models": "Versions of the rubric that scores.",
    "role-mappings": "Versions of what the identity provider's claims grant here.",
    "service-tokens": "Tokens that let a program act, inside roles and scopes, for a time.",
    "sign-in": "What a browser needs to know to sign somebody in.",
    "token-exchanges": "Short-lived tokens of ours for the token of a CI job that is trusted.",
    "trust-maturity": "How much automation the installation has earned.",
    "workload-trusts": "Which CI jobs are trusted, under which conditions, and what they may do.",
}
PARAMETERS: Final[Mapping[tuple[str, str], str]] = {
    ("path", "delegation_id"): "Id of the delegation.",
    ("path", "exception_id"): "Id of the exception.",
    ("path", "incident_id"): "Id of the incident.",
    ("path", "intent_id"): "Id of the deployment intent.",
    ("path", "job_id"): "Id of the job, as the list of operations shows it.",
    ("path", "other"): "Digest of the evidence pack to compare with.",
    ("path", "pack"): "Digest of the evidence pack.",
    ("path", "review_id"): "Id of the CAB review.",
    ("path", "session_id"): "Id of the break-glass session.",
    ("path", "sha256"): "SHA-256 of the file, in lowercase hex.",
    ("path", "token_id"): "Id of the service token; not the token itself.",
    ("path", "trust_id"): "Id of the workload trust.",
    ("path", "version"): "Name of the version.",
    ("path", "window_id"): "Id of the change window.",
    ("query", "application"): "Only what concerns the application of this id.",
    ("query", "application_id"): "As the application of this id meets it; without it, as every application does.",
    ("query", "blast_radius_class"): "Only reviews of applications of this class.",
    ("query", "complete"): "Only packs without gaps (true), or with gaps (false).",
    ("query", "delegate"): "Only votes lent to this person (`<issuer>|<subject>`).",
    ("query", "delegator"): "Only votes lent by this person (`<issuer>|<subject>`).",
    ("query", "effect"): "Only windows (allow), or only freezes (deny).",
    ("query", "in_force"): "Only what is in force now (true), or is not (false).",
    ("query", "intent_id"): "Only what concerns this deployment intent.",
    ("query", "issued_with"): "Only tokens that were issued with the token of this id.",
    ("query", "kind"): "Only those of this kind.",
    ("query", "limit"): "How many items a page may hold.",
    ("query", "made_with"): "Only trusts that were made with the service token of this id.",
    ("query", "outcome"): "Only operations that ended so.",
    ("query", "plane"): "Only what concerns this plane.",
    ("query", "platform"): "Only those that install on this platform.",
    ("query", "purpose"): "As a change of this purpose meets it.",
    ("query", "registered_by"): "Only those that this person registered (`<issuer>|<subject>`).",
    ("query", "retrospective"): "Only retrospectives (true), or only other reviews (false).",
    ("query", "ring"): "Number of the ring.",
    ("query", "severity"): "Only those of this severity.",
    ("query", "state"): "Only those in this state.",
    ("query", "status"): "Only those of this status.",
}


BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An access token of the identity provider (RS256 or ES256), or a service token (eucora_…).",
}
# One server-sent event; a stream is any number of them.
EVENT: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "Its position; send the last one as Last-Event-ID to go on after it."},
        "event": {
            "type": "string",
            "enum": ["message", "problem"],
            "description": "problem: the last event of a stream whose caller may not read on; it has no id. Not there: "
            "message, as in every stream of this kind.",
        },
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "examples": [{"id": "17", "data": '{"position":17}'}],
}

HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "X-Correlation-ID": {
        "description": "Finds the request in the logs and in the events.",
        "schema": {"type": "string"},
    },
    "Eucora-Position": {
        "description": "The log's position at which the write stands; send it as Eucora-Min-Position to read it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "ETag": {"description": "The version, for If-Match.", "required": True, "schema": {"type": "string"}},
    "Link": {
        "description": 'The page that follows, with rel="next"; not there on the last one.',
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where what was written can be read.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Deprecation": {
        "description": "Since when the route should not be used any more (RFC 9745).",
        "required": True,
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {
        "description": "When the route goes (RFC 8594); a Link with rel=deprecation leads to what comes instead.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "There on the answer to a repeat, which did nothing anew.",
        "schema": {"type": "string", "const": "true"},
    },
    "Retry-After": {"description": "Seconds after which the same may succeed.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "The challenge: Bearer, and what was wrong.", "schema": {"type": "string"}},
}
# A read in the past has no version to decide on, so there the header may be missing.
_SOMETIMES: Final = {"ETag": {**HEADERS["ETag"], "required": False}}
_ALWAYS: Final = ("X-Correlation-ID",)
_OF_AN_END: Final = ("Deprecation", "Sunset")
_OF_A_RECEIPT: Final = ("Eucora-Position", "ETag", "Location")
_OF_A_STATUS: Final[Mapping[str, tuple[str, ...]]] = {
    "401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)
}  # fmt: skip


def examples() -> dict[str, Any]:
    """By the name of a schema: what was sent to a real installation, or what one answered."""
    found: dict[str, Any] = json.loads(resources.files("eucora.api").joinpath("examples.json").read_text("utf-8"))
    return found


def _components(described: dict[str, Any]) -> None:
    components = described.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["ProblemDocument"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {"bearer": BEARER}
    described["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def describe(described: dict[str, Any]) -> None:
    """Add to the description what FastAPI cannot know of it: nouns, words for parameters, headers of the answers.

    Raises:
        KeyError: a noun or a parameter that nothing is said about here.
    """
    described["servers"] = [{"url": "/", "description": "The installation that serves this description"}]
    _components(described)
    _with_examples(described["components"]["schemas"])
    paths = described["paths"]
    operations = [one for path in paths.values() for one in path.values()]
    bound(described["components"]["schemas"], operations)
    used = {tag for operation in operations for tag in operation["tags"]}
    described["tags"] = [{"name": tag, "description": NOUNS[tag]} for tag in sorted(used)]
    for operation in operations:
        operation.setdefault("security", [])
        for answer in operation["responses"].values():
            if "text/event-stream" in answer.get("content", {}):
                answer["content"]["text/event-stream"]["schema"] = EVENT
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _never_null(parameter["schema"])
            if "description" not in parameter:
                parameter["description"] = PARAMETERS[parameter["in"], parameter["name"]]
    for path, methods in paths.items():
        for method, operation in methods.items():
            expected = {"200" if method == "get" else "201": _of_success(paths, path, method), "304": ["ETag"]}
            _name_headers(operation, expected)
    named = {name for one in operations for answer in one["responses"].values() for name in answer["headers"]}
    described["components"]["headers"] = {name: told for name, told in HEADERS.items() if name in named}


def _of_success(paths: Mapping[str, Any], path: str, method: str) -> list[str]:
    """The headers of what a call answers when all goes well."""
    operation = paths[path][method]
    if method == "get":
        moves = [one["post"] for name, one in paths.items() if name.rpartition("/")[0] == path and "post" in one]
        versioned = _takes(operation, "If-None-Match") or any(_takes(one, "If-Match") for one in moves)
        return [*(["ETag"] if versioned else []), *(["Link"] if _takes(operation, "cursor") else [])]
    found = ["Idempotent-Replayed"] if _takes(operation, "Idempotency-Key") else []
    place = shown(path, [name for name, one in paths.items() if "get" in one])
    return [*_OF_A_RECEIPT, *found] if place else found


def _takes(operation: Mapping[str, Any], name: str) -> bool:
    return any(parameter["name"] == name for parameter in operation.get("parameters", ()))


def _name_headers(operation: dict[str, Any], expected: Mapping[str, Sequence[str]]) -> None:
    sometimes = _SOMETIMES if _takes(operation, "as_of") else {}
    ends = _OF_AN_END if operation.get("deprecated") else ()
    for status, answer in operation["responses"].items():
        named = (*_ALWAYS, *expected.get(status, ()), *_OF_A_STATUS.get(status, ()), *ends)
        headers = {name: sometimes.get(name, {"$ref": f"#/components/headers/{name}"}) for name in named}
        answer["headers"] = headers | answer.get("headers", {})


def _with_examples(schemas: dict[str, Any]) -> None:
    """An example for each body that has none in the code; one of a list holds the example of its items."""
    for name, example in examples().items():
        schemas[name].setdefault("examples", [example])
    for name, schema in schemas.items():
        if name.startswith("Listing_"):
            item = schemas[schema["properties"]["items"]["items"]["$ref"].rsplit("/", 1)[-1]]
            schema["examples"] = [{"items": item["examples"][:1], "next_cursor": None}]


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: one that is not given is left out, because null has no form in a header or a query."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {**rest, "anyOf": kinds}
