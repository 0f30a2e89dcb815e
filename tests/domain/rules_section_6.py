"""The rules on rings, gates, halts and overrides that must have a worked test each."""

from typing import Final

RINGS: Final = ("lab", "canary", "pilot", "department", "global")

SECTION_6: Final = frozenset(
    {
        # each ring's line of the table
        *(f"6.ring.{ring}.success" for ring in RINGS),
        *(f"6.ring.{ring}.soak" for ring in RINGS),
        *(f"6.ring.{ring}.approval" for ring in RINGS),
        # the gates
        "6.gate.success_rate",
        "6.gate.success_rate.exempt",
        "6.gate.success_rate.unknown",
        "6.gate.compliance.online",
        "6.gate.compliance.intermittent",
        "6.gate.compliance.air_gapped",
        "6.gate.coverage",
        "6.gate.security_incidents",
        "6.gate.p1_p2_incidents",
        "6.gate.rollback_validated",
        "6.gate.approval",
        "6.gate.exceptions",
        "6.gate.change_window",
        "6.gate.failure_budget",
        "6.gate.overlap",
        "6.gate.sample",
        "6.gate.every_plane",
        # what a verdict leads to
        "6.verdict.inconclusive",
        "6.verdict.error",
        # statistics
        "6.rule.point",
        "6.rule.bound",
        "6.wilson.needed",
        "6.wilson.lower",
        # halting
        "6.halt.min_n",
        "6.halt.failures",
        "6.halt.upper_bound",
        "6.halt.tail",
        # soak, cohorts, promotion, override
        "6.soak.coverage",
        "6.cohort.frozen",
        "6.promotion.manual",
        "6.promotion.automatic",
        "6.override.counts",
        "6.override.error",
        "6.override.approval",
        "6.override.expiry",
    }
)
