"""What is hit when an application fails everywhere at once: its blast-radius class, and why."""

from typing import Final

from eucora.domain.risk_types import ApplicationProfile, BlastRadiusClass, Category, DeclaredRisk, PrivilegeImpact

_CRITICAL_TIER_MAX: Final = 1

_CLASS_OF: Final = {
    Category.SECURITY_AGENT: BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
    Category.VPN: BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
    Category.IDENTITY: BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
    Category.OS_UPDATE: BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
    Category.ERP: BlastRadiusClass.BUSINESS_CRITICAL,
    Category.TRADING: BlastRadiusClass.BUSINESS_CRITICAL,
    Category.CUSTOMER_FACING: BlastRadiusClass.BUSINESS_CRITICAL,
    Category.OFFICE: BlastRadiusClass.PRODUCTIVITY_TOOLS,
    Category.COLLABORATION: BlastRadiusClass.PRODUCTIVITY_TOOLS,
    Category.UTILITY: BlastRadiusClass.NON_CRITICAL,
}
_HARMLESS_UNLESS_IN_THE_KERNEL: Final = {BlastRadiusClass.PRODUCTIVITY_TOOLS, BlastRadiusClass.NON_CRITICAL}


def classify(profile: ApplicationProfile, declared: DeclaredRisk) -> tuple[BlastRadiusClass, str]:
    """The class and the rule that gave it, for people to read.

    A CMDB tier of 0 or 1 wins; else the declared category decides, and the declared privilege for category OTHER.
    Code in the kernel takes the whole device with it when it fails, so it is never less than business critical.
    The name of the application is not looked at.
    """
    if profile.cmdb_tier is not None and profile.cmdb_tier <= _CRITICAL_TIER_MAX:
        return BlastRadiusClass.CRITICAL_INFRASTRUCTURE, f"the CMDB holds it as tier {profile.cmdb_tier}"
    in_kernel = declared.privilege is PrivilegeImpact.DRIVER_OR_KERNEL
    if profile.category is Category.OTHER:
        if in_kernel or declared.privilege is PrivilegeImpact.SERVICE_OR_ELEVATED or profile.privileged_tooling:
            what = "privileged tooling" if profile.privileged_tooling else f"privilege {declared.privilege}"
            return BlastRadiusClass.BUSINESS_CRITICAL, f"declared as category other, with {what}"
        return (
            BlastRadiusClass.NON_CRITICAL,
            "declared as category other, without elevated privilege; no CMDB tier or category says more",
        )
    by_category = _CLASS_OF[profile.category]
    if in_kernel and by_category in _HARMLESS_UNLESS_IN_THE_KERNEL:
        return (
            BlastRadiusClass.BUSINESS_CRITICAL,
            f"declared as category {profile.category}, raised because it installs a driver or system extension",
        )
    return by_category, f"declared as category {profile.category}"
