"""The file of a deployment intent: everything that the API is told about a release, with paths instead of digests."""

import hashlib
import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from eucora.api.asking import Asked
from eucora.api.deployment_intents import RolloutAsked
from eucora.api.evidence import ApplicationAsked, DeclaredAsked, InstallWayAsked
from eucora.api.gate_policies import GatePolicyAsked
from eucora.api.words import Prose
from eucora.domain.deployment_intent.proposal import plan_problems
from eucora.domain.gate_policy import problems_of
from eucora.domain.gate_types import GatePolicy
from eucora.domain.install_needs import problems_of as problems_of_needs
from eucora.domain.planes import Plane
from eucora.domain.rings import RingPlan, RingSpec, RingTarget

A = TypeVar("A", bound=Asked)
SIZE_MAX: Final = 1 << 20  # bytes; a file of a person is a few kilobytes
DEPTH_MAX: Final = 32  # of what is nested in it; an intent needs six
SCHEMA_ID: Final = "urn:eucora:schema:deployment-intent-file:1"
KINDS: Final = "^[a-z][a-z0-9_]{0,49}$"


class IntentFileInvalid(Exception):
    """The file is not what it should be. The message is one line: file, field, reason, way out."""


class EvidenceFile(Asked):
    """One evidence document. ``kind``: sbom, scan, vex, test_evidence, rollback_plan, or a word of your own."""

    kind: Annotated[str, Field(pattern=KINDS, examples=["sbom"])]
    file: Annotated[str, Field(min_length=1, description="Path below the folder of this file, seen from there")]


class InstallFile(InstallWayAsked):
    """How one plane installs one installer."""

    file: Annotated[str, Field(min_length=1, description="Path below the folder of this file, seen from there")]


class IntentFile(Asked):
    """A deployment intent as a file."""

    format: Annotated[Literal[1], Field(description="Version of this format")]
    application: ApplicationAsked
    declared: DeclaredAsked
    installs: Annotated[list[InstallFile], Field(min_length=1, max_length=10)]
    evidence: Annotated[list[EvidenceFile], Field(max_length=100)]
    rollout_plan: Prose
    rollout: RolloutAsked


def json_schema() -> str:
    """JSON Schema (2020-12) of the file, for editors and for checks before anything is sent."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return json.dumps(schema | IntentFile.model_json_schema(), indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Intended:
    """What a file asks for, with the digests of the files that it names."""

    path: Path
    file: IntentFile

    def beside(self, name: str) -> Path:
        return self.path.parent / name

    @cached_property
    def artifacts(self) -> Sequence[str]:
        """SHA-256 of each install's installer."""
        return [_sha256(self.beside(one.file)) for one in self.file.installs]

    @cached_property
    def documents(self) -> Sequence[tuple[str, str]]:
        """(kind, SHA-256) of each evidence document."""
        return [(one.kind, _sha256(self.beside(one.file))) for one in self.file.evidence]

    def pack(self) -> dict[str, Any]:
        """The evidence pack, as the API is asked to assemble it."""
        file = self.file
        installs = [
            one.model_dump(mode="json", exclude={"file"}) | {"artifact": artifact}
            for one, artifact in zip(file.installs, self.artifacts, strict=True)
        ]
        return {
            "application": file.application.model_dump(mode="json"),
            "declared": file.declared.model_dump(mode="json"),
            "planes": sorted({one["plane"] for one in installs}),
            "installs": installs,
            "documents": [{"kind": kind, "sha256": sha256} for kind, sha256 in self.documents],
            "rollout_plan": file.rollout_plan,
        }

    def rollout(self) -> dict[str, Any]:
        """The proposal, as the API is asked for it, but for the pack's digest."""
        asked: dict[str, Any] = self.file.rollout.model_dump(mode="json", by_alias=True)
        return asked


def read_intent(path: Path) -> Intended:
    """The file at ``path``, checked, and every file that it names is there.

    Raises:
        IntentFileInvalid: the file cannot be read, is no such file, or names one that is not there, or not below its
            own folder: what somebody else wrote must not hand in what lies elsewhere on this machine.
    """
    intended = Intended(path, _checked(path, IntentFile))
    named = [(f"installs[{index}].file", one.file) for index, one in enumerate(intended.file.installs)]
    named += [(f"evidence[{index}].file", one.file) for index, one in enumerate(intended.file.evidence)]
    for field, name in named:
        if not _below(path.parent, name):
            raise IntentFileInvalid(
                f"{path}: {field}: {name!r} leads out of {path.parent}; put the file below that folder, and name it by"
                " its path from there"
            )
        if not intended.beside(name).is_file():
            raise IntentFileInvalid(f"{path}: {field}: {name}: there is no such file in {path.parent}")
    for index, install in enumerate(intended.file.installs):
        if unmet := "; ".join(problems_of_needs(install.plane, install.needs.to_needs(), install.restart)):
            raise IntentFileInvalid(f"{path}: installs[{index}].{unmet}")
    if problems := plan_problems(_plan(intended.file), {one.plane for one in intended.file.installs}):
        raise IntentFileInvalid(f"{path}: rollout.rings: {'; '.join(problems)}")
    return intended


def _plan(file: IntentFile) -> RingPlan:
    """The rings as the service will judge them, but for the number of devices, which only a plane knows."""
    return RingPlan(
        tuple(
            RingSpec(
                ring.ring,
                tuple(
                    RingTarget(
                        one.plane,
                        _group(one.plane, one.group),
                        1,
                        share=None if one.share is None else one.share.share,
                        offer_as=one.offer_as,
                        excluded=tuple(sorted({_group(one.plane, out) for out in one.excluded})),
                    )
                    for one in ring.targets
                ),
            )
            for ring in file.rollout.rings
        )
    )


def _group(plane: Plane, named: str) -> str:
    """The group as its plane will call it: a Jamf id is a number, and 03 is the group 3."""
    named = named.strip()
    return str(int(named)) if plane is Plane.JAMF and named.isascii() and named.isdecimal() else named


def _below(folder: Path, name: str) -> bool:
    """Whether the path is relative and its real place, links followed, lies below the folder's."""
    try:
        return not Path(name).is_absolute() and (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a NUL in the name
        return False


def read_gate_policy(path: Path) -> GatePolicy:
    """A gate policy in the words of the API, as JSON or YAML. Raises IntentFileInvalid."""
    policy = _checked(path, GatePolicyAsked).to_policy()
    if problems := problems_of(policy):
        raise IntentFileInvalid(f"{path}: {'; '.join(problems)}")
    return policy


def _checked(path: Path, shape: type[A]) -> A:
    try:
        return shape.model_validate(_parsed(path))
    except ValidationError as error:
        raise IntentFileInvalid(f"{path}: {'; '.join(_problems(error))}") from error


def _parsed(path: Path) -> object:
    try:
        size = path.stat().st_size
        if size > SIZE_MAX:
            raise IntentFileInvalid(f"{path}: {size} bytes; it may have {SIZE_MAX} at the most")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise IntentFileInvalid(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise IntentFileInvalid(f"{path}: {error.strerror}; name a file that can be read") from error
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            # Told here, because the loader takes the square of the depth to find out.
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:
                raise yaml.YAMLError("it is nested too deeply")
            if isinstance(event, yaml.AliasEvent):  # a few of them grow a page into gigabytes
                mark = event.start_mark
                place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
                raise yaml.YAMLError(f"{place}aliases are not accepted; write the value out")
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise IntentFileInvalid(f"{path}: {_told(error)}") from error


class _Loader(yaml.SafeLoader):
    """YAML without keys that are given twice, of which the last would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice; keep one", problem_mark=key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _told(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def _problems(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False, include_context=False)[:5]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"]).lstrip(".")
        # YAML reads 4.20 as a number and yes as a truth; what was meant is a text.
        quotes = one["type"] == "string_type" and isinstance(one["input"], int | float)
        way_out = f": put it in quotes, '{one['input']}'" if quotes else ""
        yield f"{place or 'the file'}: {one['msg'].removeprefix('Value error, ')}{way_out}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
