"""What an install plan asks of a Windows device before it installs, and what it does about a restart after."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eucora.domain.planes import Plane

# Intune's words for Windows releases, the oldest first: those of the IntuneWin32App module, and those that Graph's
# v1.0 metadata (msgraph-metadata f54f11b6, read 2026-11-22) has as an example. Graph itself takes any text.
WINDOWS_RELEASES: Final = (
    *("1607", "1703", "1709", "1803", "1809", "1903", "1909", "2004", "2H20", "21H1"),
    *("Windows10_21H2", "Windows10_22H2"),
    *("Windows11_21H2", "Windows11_22H2", "Windows11_23H2"),
)
ARCHITECTURES: Final = ("x64", "x86", "arm", "neutral")  # v1.0's windowsArchitecture has no arm64
RULES: Final = {"file": ("path", "name"), "registry": ("path", "name"), "script": ("name", "value", "output")}
RULES_MAX: Final = 25
NUMBER_MAX: Final = 2**31 - 1  # Graph's Int32


class Restart(StrEnum):
    """What a plane does about a restart after an installation."""

    BY_RETURN_CODE = "by_return_code"
    ALLOW = "allow"  # the installer may
    SUPPRESS = "suppress"
    FORCE = "force"


@dataclass(frozen=True, slots=True)
class NeedRule:
    """Something that must be on the device already. ``kind``: file, registry, script; the fields are its words.

    file: ``path`` folder, ``name`` file name, ``value`` least version or empty. registry: ``path`` key, ``name`` value
    name, ``value`` expected or empty. script: ``name`` what it is called, ``value`` the PowerShell, which must write
    exactly ``output``.
    """

    kind: str
    path: str = ""
    name: str = ""
    value: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class InstallNeeds:
    """What a Windows device must have; the rest is told that the release is not for it. None and empty ask nothing.

    ``release``: the oldest Windows release, one of ``WINDOWS_RELEASES``. ``architectures`` empty: x64 and x86.
    """

    release: str = ""
    architectures: tuple[str, ...] = ()
    free_disk_mb: int | None = None
    memory_mb: int | None = None
    processors: int | None = None
    cpu_mhz: int | None = None
    rules: tuple[NeedRule, ...] = ()


ASKS_NOTHING: Final = InstallNeeds()


def problems_of(plane: Plane, needs: InstallNeeds, restart: Restart) -> Iterator[str]:
    """What of them no plane can keep, one clause each, with the way out."""
    if plane is not Plane.INTUNE:
        if needs != ASKS_NOTHING:
            yield f"needs: {plane} has no word for them; leave them out"
        if restart is not Restart.BY_RETURN_CODE:
            yield f"restart: {plane} leaves that to the package; leave it out"
        return
    if needs.release and needs.release not in WINDOWS_RELEASES:
        yield f"needs.release: {needs.release!r} is not known; name one of {', '.join(WINDOWS_RELEASES)}"
    if strange := [one for one in needs.architectures if one not in ARCHITECTURES]:
        told = ", ".join(repr(one) for one in strange)
        yield f"needs.architectures: Intune has no word for {told}; name some of {', '.join(ARCHITECTURES)}"
    if len(set(needs.architectures)) < len(needs.architectures):
        yield "needs.architectures: one is named twice; keep one"
    for field in ("free_disk_mb", "memory_mb", "processors", "cpu_mhz"):
        number = getattr(needs, field)
        if number is not None and not 0 < number <= NUMBER_MAX:
            yield f"needs.{field}: {number} is no such number; name one from 1 to {NUMBER_MAX}, or leave it out"
    if len(needs.rules) > RULES_MAX:
        yield f"needs.rules: {len(needs.rules)} of them; keep {RULES_MAX} at most"
    for place, rule in enumerate(needs.rules):
        yield from (f"needs.rules[{place}]{problem}" for problem in _rule_problems(rule))


def _rule_problems(rule: NeedRule) -> Iterator[str]:
    if rule.kind not in RULES:
        yield f".kind: {rule.kind!r} is none; name {', '.join(RULES)}"
        return
    for field in RULES[rule.kind]:
        if not str(getattr(rule, field)).strip():
            yield f".{field}: a {rule.kind} rule needs it"
    if rule.output and rule.kind != "script":
        yield f".output: a {rule.kind} rule writes nothing; leave it out"
