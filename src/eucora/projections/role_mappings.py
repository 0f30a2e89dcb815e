"""Read model ``role_mappings``: versions of which claims give which roles."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import role_mapping as e
from eucora.domain.role_rules import ROLE_MAPPING_1_0, RoleMapping
from eucora.projections.versions import (
    Versions,
    VersionView,
    activated,
    after,
    from_product,
    from_proposal,
    retired,
    versions_shape,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleMappingView(VersionView):
    mapping: RoleMapping
    based_on: str = ""
    activated_by: str = ""
    replaced_by: str = ""
    replaced_at: datetime | None = None


def built_in(position: int = 0, version: int = 0) -> RoleMappingView:
    """Version 1.0, as it stands while no event speaks of it."""
    return RoleMappingView(mapping=ROLE_MAPPING_1_0, **from_product(ROLE_MAPPING_1_0.version, position, version))


def evolve(view: RoleMappingView | None, recorded: Recorded) -> RoleMappingView | None:
    """The version after an event of its stream."""
    match recorded.event:
        case e.RoleMappingProposed() as event:
            origin = from_proposal(event.mapping.version, recorded, event)
            view = RoleMappingView(mapping=event.mapping, based_on=event.based_on, **origin)
        case e.RoleMappingActivated(by=by, at=at) if view:
            view = replace(activated(view, recorded, at), activated_by=by)
        case e.RoleMappingRetired() as event:
            view = retired(view or built_in(recorded.position, recorded.version), event)
        case e.RoleMappingReplaced(replaced_by=version, at=at):
            view = view or built_in(recorded.position, recorded.version)
            view = replace(view, replaced_by=version, replaced_at=at)
    return after(view, recorded)


ROLE_MAPPINGS = versions_shape("role_mappings", "role_mapping", 2, RoleMappingView, evolve)


class RoleMappings(Versions[RoleMappingView]):
    """Queries on role mappings."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool, ROLE_MAPPINGS)
