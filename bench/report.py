"""What was measured, against what was promised: a table for people and ``results.json`` for the rest."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ours beside a floor, as the median over repetitions that took turns. ``target`` None: for information."""

    name: str
    ours: float
    floor: float
    ratio: float  # the median of the ratios, which is not the ratio of the medians
    target: float | None
    at_most: bool = False  # the ratio must not exceed the target
    unit: str = "events/s"

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def compare(
    name: str, ours: list[float], floor: list[float], target: float | None, *, at_most: bool = False,
    unit: str = "events/s",
) -> Comparison:  # fmt: skip
    """Pairs measured one after the other, so that what else the machine does falls on both."""
    ratios = [mine / other for mine, other in zip(ours, floor, strict=True)]
    return Comparison(name, median(ours), median(floor), median(ratios), target, at_most, unit)


def machine(postgres: str) -> dict[str, object]:
    """What the figures depend on."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(memory) // 1024,
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "postgres": postgres,
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def table(comparisons: list[Comparison]) -> str:
    """One line a comparison."""
    lines = [f"{'':44}{'ours':>10}{'beside':>10}{'ratio':>8}  target"]
    for one in comparisons:
        sign, verdict = "≤" if one.at_most else "≥", {None: "", True: "met", False: "MISSED"}[one.met]
        target = "" if one.target is None else f"{sign} {one.target:g} {verdict}"
        digits = 0 if one.ours >= 100 else 3
        lines.append(f"{one.name:44}{one.ours:>10,.{digits}f}{one.floor:>10,.{digits}f}{one.ratio:>8.2f}  {target}")
    return "\n".join(lines)


def write(
    path: Path, about: dict[str, object], comparisons: list[Comparison], facts: dict[str, object], notes: list[str]
) -> None:
    """The whole result as JSON."""
    results = {
        "machine": about,
        "comparisons": [{**asdict(one), "met": one.met} for one in comparisons],
        "facts": facts,
        "notes": notes,
    }
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
