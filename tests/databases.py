"""What the ``database`` fixture hands out; a module of its own, because several folders have a conftest."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated, empty database. ``url`` is the app's way in, ``owner_url`` the superuser's."""

    name: str
    url: str
    owner_url: str
