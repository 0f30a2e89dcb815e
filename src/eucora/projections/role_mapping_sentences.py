"""Sentences about role mappings."""

from eucora.domain import role_mapping as e


def of_role_mapping(event: object) -> str:
    """What happened to a version; empty for another event."""
    match event:
        case e.RoleMappingProposed(mapping=mapping, based_on=based_on):
            rules = f"{len(mapping.rules)} rule{'' if len(mapping.rules) == 1 else 's'}"
            named = " beside group names" if mapping.convention else ""
            return f"Role mapping {mapping.version} was proposed over {based_on}, with {rules}{named}: {event.reason}"
        case e.RoleMappingActivated():
            return "A role mapping came into force"
        case e.RoleMappingReplaced(replaced_by=version):
            return f"A role mapping was replaced by {version}"
        case e.RoleMappingRetired(reason=reason):
            return f"A role mapping was retired: {reason}"
    return ""
