"""How urgent a job is, lower first: what stops harm goes before what undoes it, and that before everything else."""

from typing import Final

HALT: Final = 0
ROLLBACK: Final = 10
ROLLOUT: Final = 100
UPKEEP: Final = 200
