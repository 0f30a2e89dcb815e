"""What an evidence pack asks of devices, in the words of the port."""

from eucora.application.planes import FileDetection, RegistryDetection, ScriptRequirement, WindowsNeeds
from eucora.domain.evidence_pack import InstallPlan
from eucora.domain.install_needs import NeedRule


def needs_of(plan: InstallPlan) -> WindowsNeeds:
    """The needs of ``plan``; those of the port where it says nothing. Raises ValueError for a rule of no kind."""
    needs, silent = plan.needs, WindowsNeeds()
    return WindowsNeeds(
        architectures=needs.architectures or silent.architectures,
        release=needs.release,
        free_disk_mb=needs.free_disk_mb,
        memory_mb=needs.memory_mb,
        processors=needs.processors,
        cpu_mhz=needs.cpu_mhz,
        rules=tuple(_rule(rule) for rule in needs.rules),
    )


def _rule(rule: NeedRule) -> FileDetection | RegistryDetection | ScriptRequirement:
    match rule.kind:
        case "file":
            return FileDetection(rule.path, rule.name, rule.value or None)
        case "registry":
            return RegistryDetection(rule.path, rule.name, rule.value or None)
        case "script":
            return ScriptRequirement(rule.value, rule.name, rule.output)
        case _:
            raise ValueError(f"no rule of kind {rule.kind!r}")
