"""Decision freshness: whether what an approval rested on still holds, by the rules of a governance policy."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from eucora.domain.brevity import named
from eucora.domain.governance_types import FreshnessRules
from eucora.domain.statistics import ARITHMETIC, percent


@dataclass(frozen=True, slots=True)
class Basis:
    """What a decision rests on beside the content that its binding covers.

    ``devices``: over all rings and planes. ``critical``: ids of critical findings that were known. ``lapsed``: ids of
    exceptions that the proposal needs and that were over already. ``precedents``: what was decided about the same
    release in other intents, a clause each.
    """

    score: Decimal
    devices: int
    critical: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()
    precedents: tuple[str, ...] = ()


def changes(before: Basis, now: Basis, rules: FreshnessRules) -> tuple[str, ...]:
    """What changed for the worse, one sentence each without a full stop; empty while the decision is fresh."""
    found = []
    if new := sorted({*now.critical} - {*before.critical}):
        found.append(f"new critical findings for the same SBOM: {named(new)}")
    if (crossed := _crossed(before.score, now.score, rules.score_tiers)) is not None:
        found.append(f"the risk score rose from {before.score} to {now.score}, above {crossed}")
    if grew(before.devices, now.devices, rules.cohort_growth_max):
        found.append(
            f"the rollout grew from {before.devices} to {now.devices} devices, by more than "
            f"{percent(rules.cohort_growth_max)}"
        )
    if over := sorted({*now.lapsed} - {*before.lapsed}):
        found.append(f"exceptions that the release needs are over: {named(over)}")
    found += [clause for clause in now.precedents if clause not in before.precedents]
    return tuple(found)


def grew(before: int, now: int, growth_max: Decimal) -> bool:
    """Whether ``now`` exceeds ``before`` by more than the share ``growth_max``."""
    with localcontext(ARITHMETIC):
        return now > before * (1 + growth_max)


def _crossed(before: Decimal, now: Decimal, tiers: tuple[Decimal, ...]) -> Decimal | None:
    """The highest tier end that lies between the two scores; None when no tier was left upwards."""
    crossed = [end for end in tiers if before <= end < now]
    return max(crossed, default=None)
