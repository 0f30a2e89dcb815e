"""The rubric of the risk model as data: weighted factors, each with a line for every case: its value and a sentence.

A model that was used stays as it is; a new one is a new version. Keys of declared factors are the declared words; keys
of computed factors are the cases that :mod:`eucora.domain.risk` tells apart.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from eucora.domain.risk_types import DataAccess, Exploitability, OperationalComplexity, PrivilegeImpact

COMPUTED: Final = "computed"
DECLARED: Final = "declared"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the rubric: in ``case`` a factor is worth ``value`` (0..1); ``rule`` says so to people."""

    case: str
    value: Decimal
    rule: str


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor and all its lines; ``weight`` is what value 1 adds to the score."""

    name: str
    weight: int
    lines: tuple[Line, ...]

    def of(self, case: str) -> Line:
        """The line for ``case``. Raises KeyError when there is none."""
        for line in self.lines:
            if line.case == case:
                return line
        raise KeyError(f"{self.name}: {case}")


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A version of the model.

    ``devices_max``: (case, largest cohort of it), ascending; more devices are the case ``more``. ``critical_devices``:
    what the blast radius is multiplied with when critical devices are hit, capped at 1. ``failures``: shares of failed
    devices that part the cases of history: under the first ``proven``, under the second ``few``, up to the third
    ``some``, above it ``many``.
    """

    version: str
    factors: tuple[Factor, ...]
    devices_max: tuple[tuple[str, int], ...]
    critical_devices: Decimal
    failures: tuple[Decimal, Decimal, Decimal]

    def factor(self, name: str) -> Factor:
        """The factor called ``name``. Raises KeyError when the model has none."""
        for factor in self.factors:
            if factor.name == name:
                return factor
        raise KeyError(name)


def _factor(name: str, weight: int, *lines: tuple[str, str, str]) -> Factor:
    return Factor(name, weight, tuple(Line(case, Decimal(value), rule) for case, value, rule in lines))


MODEL_1_0: Final = RiskModel(
    version="1.0",
    factors=(
        _factor(
            "privilege_impact",
            20,
            (PrivilegeImpact.USER, "0.2", "installs for the user"),
            (PrivilegeImpact.USER_WITH_ADMIN_FEATURES, "0.5", "installs for the user, with optional admin features"),
            (PrivilegeImpact.ADMIN_INSTALL, "0.7", "needs an administrator to install, runs as the user"),
            (PrivilegeImpact.SERVICE_OR_ELEVATED, "1.0", "runs as a service or elevated"),
            (PrivilegeImpact.DRIVER_OR_KERNEL, "1.0", "installs a driver, kernel or system extension"),
        ),
        _factor(
            "supply_chain_trust",
            15,
            ("signed_known_consistent", "0.1", "signed, known vendor, consistent provenance"),
            ("signed_known_weak", "0.3", "signed, known vendor, weak provenance"),
            ("signed_unknown", "0.4", "signed, but the vendor is not known or the provenance is uncertain"),
            ("unsigned", "0.7", "unsigned or self-signed"),
            ("unsigned_uncertain", "0.9", "unsigned, uncertain provenance"),
        ),
        _factor(
            "exploitability",
            10,
            (Exploitability.NONE, "0.2", "no listener, no scripting"),
            (Exploitability.USER_LISTENER, "0.5", "listens in user space"),
            (Exploitability.SCRIPTING, "0.6", "runs scripts or macros"),
            (Exploitability.LISTENER_AND_SCRIPTING, "0.8", "listens, and runs scripts or macros"),
            (Exploitability.PRIVILEGED_LISTENER, "1.0", "listens with privileges"),
        ),
        _factor(
            "data_access",
            10,
            (DataAccess.OWN, "0.1", "reaches its own data only"),
            (DataAccess.READS_DOCUMENTS, "0.4", "reads the user's documents"),
            (DataAccess.PROFILE, "0.6", "reads and writes the user's profile"),
            (DataAccess.CREDENTIAL_STORES, "0.9", "reaches credential stores"),
            (DataAccess.WIDE_AND_CREDENTIALS, "1.0", "reaches the file system widely, and credential stores"),
        ),
        _factor(
            "sbom_vulnerability",
            15,
            ("none", "0.0", "no vulnerability found"),
            ("low_or_medium", "0.3", "vulnerabilities of low or medium severity only"),
            ("high", "0.7", "vulnerabilities of high or unknown severity"),
            ("critical_excepted", "0.9", "critical vulnerabilities, each with an approved exception"),
            ("critical", "1.0", "a critical vulnerability without an approved exception: blocked"),
        ),
        _factor(
            "blast_radius",
            10,
            ("tens", "0.1", "fewer than 10 devices"),
            ("hundred", "0.3", "fewer than 100 devices"),
            ("thousand", "0.5", "fewer than 1,000 devices"),
            ("ten_thousand", "0.7", "at most 10,000 devices"),
            ("more", "1.0", "more than 10,000 devices"),
        ),
        _factor(
            "operational_complexity",
            10,
            (OperationalComplexity.SHORT, "0.1", "online, no reboot, under 5 minutes"),
            (OperationalComplexity.MEDIUM, "0.3", "5 to 15 minutes"),
            (OperationalComplexity.REBOOT, "0.5", "needs a reboot"),
            (OperationalComplexity.REBOOT_AND_SEQUENCING, "0.7", "needs a reboot and an order of steps"),
            (OperationalComplexity.OFFLINE_IMPORT, "1.0", "needs a reboot, an order of steps and an offline import"),
        ),
        _factor(
            "history",
            10,
            ("new", "0.3", "a new application: no device has finished an earlier release"),
            ("proven", "0.1", "more than 99 % success and no incident"),
            ("few", "0.3", "less than 5 % failures"),
            ("some", "0.6", "5 to 10 % failures"),
            ("many", "0.9", "more than 10 % failures"),
            ("security_incident", "1.0", "an earlier release led to a security incident"),
        ),
    ),
    devices_max=(("tens", 9), ("hundred", 99), ("thousand", 999), ("ten_thousand", 10_000)),
    critical_devices=Decimal("1.2"),
    failures=(Decimal("0.01"), Decimal("0.05"), Decimal("0.10")),
)
