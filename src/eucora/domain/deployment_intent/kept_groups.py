"""What happens to the groups of our own that hold shares of groups."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


@dataclass(frozen=True, slots=True)
class KeptGroupRemade:
    """The group of our own for a share of ``group`` was gone, and ``ref`` holds the share's frozen devices now.

    What was offered to the old one is to stand for the new one.
    """

    ring: Ring
    plane: Plane
    group: str
    ref: str
    at: datetime
