"""What a file would change against what is recorded: pure, one line a change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eucora.cli.as_code.file import Intended
from eucora.domain.planes import Plane

Recorded = Mapping[str, Any]


class Action(StrEnum):
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


SIGNS = {Action.ADD: "+", Action.CHANGE: "~", Action.REMOVE: "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``what`` names the field in the file's own words, ``before`` is empty for an addition."""

    action: Action
    what: str
    before: str
    after: str

    @property
    def line(self) -> str:
        if self.action is Action.CHANGE:
            return f"{SIGNS[self.action]} {self.what}: {self.before} → {self.after}"
        return f"{SIGNS[self.action]} {self.what}: {self.after or self.before}"


def compare(intended: Intended, intent: Recorded | None, pack: Recorded | None) -> Sequence[Change]:
    """Every difference to the latest intent of the application and its evidence pack; both None: there is none yet.

    A target that the recorded intent has and the file has not is a removal: its devices would not get the release.
    """
    asked = intended.pack()
    known: Recorded = pack or {}
    changes = [
        *_fields("application", asked["application"], known.get("application", {})),
        *_fields("declared", asked["declared"], known.get("declared", {})),
        *_installs(asked["installs"], known.get("installs", ())),
        *_members(
            "evidence",
            [f"{one['kind']} {one['sha256']}" for one in asked["documents"]],
            [f"{one['kind']} {one['sha256']}" for one in known.get("documents", ())],
        ),
        *_fields(
            "rollout_plan", {"": asked["rollout_plan"]}, {"": known["rollout_plan"]} if "rollout_plan" in known else {}
        ),
    ]
    rollout, recorded = intended.rollout(), intent or {}
    changes += _members("rollout.rings", [*_targets(rollout["rings"])], [*_targets(recorded.get("rings", ()))])
    changes += _fields("rollout.scope", rollout["scope"], recorded.get("scope", {}))
    for name, path in COMPARED.items():
        if name in rollout and rollout[name] is not None:
            before = _at(recorded, path)
            changes += _fields("rollout", {name: rollout[name]}, {} if before is None else {name: before})
    return changes


# Where the recorded intent says what the file says in ``rollout``.
COMPARED = {
    "gate_policy": ("policy", "version"),
    "change_kind": ("change_kind",),
    "purpose": ("purpose",),
    "governance_policy": ("governance",),
    "risk_model": ("risk", "model"),
}


def _at(recorded: Recorded, path: Sequence[str]) -> Any:
    value: Any = recorded
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _fields(what: str, asked: Recorded, known: Recorded) -> Iterator[Change]:
    for name, value in asked.items():
        place = f"{what}.{name}".rstrip(".")
        if name not in known:
            yield Change(Action.ADD, place, "", _word(value))
        elif known[name] != value:
            yield Change(Action.CHANGE, place, _word(known[name]), _word(value))


def _installs(asked: Sequence[Recorded], known: Sequence[Recorded]) -> Iterator[Change]:
    before = {one["plane"]: one for one in known}
    for one in asked:
        recorded = before.pop(one["plane"], None)
        place = f"installs.{one['plane']}"
        if recorded is None:
            yield Change(Action.ADD, place, "", f"artifact {one['artifact']}")
            if one["plane"] in WITH_NEEDS:
                yield from _fields(place, {name: one[name] for name in ("needs", "restart")}, {})
            continue
        codes = [[code["code"], code["meaning"]] for code in one["return_codes"]]
        now = {**{name: one[name] for name in NAMED}, "return_codes": sorted(codes)}
        then = {**{name: recorded[name] for name in NAMED}, "return_codes": sorted(map(list, recorded["return_codes"]))}
        yield from _fields(place, now, then)
    for plane in sorted(before):
        yield Change(Action.REMOVE, f"installs.{plane}", f"artifact {before[plane]['artifact']}", "")


WITH_NEEDS = (Plane.INTUNE,)  # an install on another plane says neither
NAMED = ("artifact", "install_command", "uninstall_command", "detection", "needs", "restart")


def _members(what: str, asked: Sequence[str], known: Sequence[str]) -> Iterator[Change]:
    yield from (Change(Action.ADD, what, "", one) for one in sorted({*asked} - {*known}))
    yield from (Change(Action.REMOVE, what, one, "") for one in sorted({*known} - {*asked}))


def _targets(rings: Sequence[Recorded]) -> Iterator[str]:
    """Each target as one line: whatever differs about it makes it another one. Counts are looked up, not asked for."""
    for ring in rings:
        for target in ring["targets"]:
            told = {name: value for name, value in target.items() if name in ("site_class", "critical", "share")}
            notes = [str(told["site_class"]), *(["critical"] if told.get("critical") else [])]
            if told.get("share"):
                notes.append(f"{told['share']['from']}–{told['share']['to']} %")
            if target.get("offer_as", "required") != "required":
                notes.append(target["offer_as"])
            if target.get("excluded"):
                notes.append(f"without {', '.join(sorted(target['excluded']))}")
            yield f"ring {ring['ring']}, {target['plane']} group {target['group']} ({', '.join(notes)})"


# What a device must have: the word before a value, and the unit behind it.
_LABELS = {
    "release": ("from Windows", ""),
    "free_disk_mb": ("free disk", " MB"),
    "memory_mb": ("memory", " MB"),
    "cpu_mhz": ("processor speed", " MHz"),
}


def _word(value: Any) -> str:
    """A recorded value for people: no word of it is a programming language's."""
    match value:
        case None | "" | [] | ():
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(_part(name, one) for name, one in value.items() if _is_said(one)) or "nothing"
        case list() | tuple():
            return " and ".join(f"({_word(one)})" if isinstance(one, Mapping) else _spaced(one) for one in value)
        case _:
            return str(value)


def _part(name: str, value: Any) -> str:
    before, behind = _LABELS.get(name, (name.replace("_", " "), ""))
    return f"{before} {_word(value)}{behind}"


def _spaced(value: Any) -> str:
    """An entry of a list; a pair, such as a return code with its meaning, stays together."""
    return " ".join(_word(one) for one in value) if isinstance(value, list | tuple) else _word(value)


def _is_said(value: Any) -> bool:
    return value is not None and value not in ("", [], ())
