"""The halt rule: when the failures of a ring are enough to stop it without asking anybody first."""

from eucora.domain.gate_types import GatePolicy
from eucora.domain.rings import Measurement, Ring
from eucora.domain.statistics import percent, percent_of, reaches, wilson_upper


def check(policy: GatePolicy, ring: Ring, measurement: Measurement) -> str | None:
    """Why ``ring`` must be halted, for people to read; None while it may go on.

    Nothing is said before ``policy.halt.finished_min`` devices have finished (installed or failed). After that the ring
    halts when failures reach ``policy.halt.failure_max`` of the finished, or when the upper 95 % bound of their success
    lies under what the ring asks for.

    Raises:
        KeyError: the policy has no rule for ``ring``.
    """
    rule, halt = policy.of(ring), policy.halt
    installed = sum(count.installed for count in measurement.counts)
    failed = sum(count.failed for count in measurement.counts)
    finished = installed + failed
    if finished == 0 or finished < halt.finished_min:
        return None
    seen = (
        f"{failed} of {finished} finished devices failed ({percent_of(failed, finished)}){_most_frequent(measurement)}"
    )
    if reaches(failed, finished, halt.failure_max):
        return f"{seen}; the limit is {percent(halt.failure_max)}"
    upper = wilson_upper(installed, finished)
    if upper < rule.success_min:
        asked = f"ring {ring:d} asks for {percent(rule.success_min)}"
        return f"{seen}; success is at most {percent(upper)} with 95 % confidence, {asked}"
    return None


def _most_frequent(measurement: Measurement) -> str:
    if not measurement.failures:
        return ""
    code, seen = measurement.failures[0]
    return f", most often with {code} ({seen} times)"
