"""What a Win32 app asks of a device and how it is known there: rules, needs, return codes, facts of an MSI.

Source: Microsoft Graph v1.0 metadata (msgraph-metadata f54f11b6, read 2026-11-22). v1.0 lists relations between apps
(``mobileAppRelationships``) but has no type for a supersedence, so none can be written through it.
"""

import base64
from typing import Any, Final

from eucora.application.planes import (
    BundleDetection,
    Detection,
    FileDetection,
    MsiDetection,
    PlaneRejected,
    Publication,
    ReceiptDetection,
    RegistryDetection,
    Restart,
    ReturnCode,
    ScriptDetection,
    ScriptRequirement,
    WindowsNeeds,
)
from eucora.connectors.errors import report
from eucora.domain.planes import Plane
from eucora.formats.intunewin import MsiInfo

Body = dict[str, Any]

OLDEST_RELEASE: Final = "1607"  # the first Windows 10 release that the Intune management extension runs on

# What Microsoft's own samples send when nobody says otherwise.
RETURN_CODES: Final = (
    ReturnCode(0, "success"),
    ReturnCode(1707, "success"),
    ReturnCode(3010, "soft_reboot"),
    ReturnCode(1641, "hard_reboot"),
    ReturnCode(1618, "retry"),
)
_RETURN_TYPES: Final = {
    "success": "success",
    "soft_reboot": "softReboot",
    "hard_reboot": "hardReboot",
    "retry": "retry",
    "failed": "failed",
}
_RESTARTS: Final = {
    Restart.BY_RETURN_CODE: "basedOnReturnCode",
    Restart.ALLOW: "allow",
    Restart.SUPPRESS: "suppress",
    Restart.FORCE: "force",
}
# The words of v1.0's windowsArchitecture. A text there also names arm64, which the type does not have.
_ARCHITECTURES: Final = frozenset({"x86", "x64", "arm", "neutral"})
_PACKAGE_TYPES: Final = {"system": "perMachine", "user": "perUser"}  # by the execution context that the package names


def windows_part(publication: Publication, msi: MsiInfo | None) -> Body:
    """The properties of a win32LobApp that tell devices whether it is for them, whether it is there, what came of it.

    Raises PlaneRejected for a detection that Windows has no rule for, a return code that means nothing, or an
    architecture that v1.0 has no word for.
    """
    needs = publication.needs
    rules = [_rule(publication.detection, "detection"), *(_rule(rule, "requirement") for rule in needs.rules)]
    return {
        "applicableArchitectures": _architectures(needs),
        "minimumSupportedWindowsRelease": needs.release or OLDEST_RELEASE,
        "minimumFreeDiskSpaceInMB": needs.free_disk_mb,
        "minimumMemoryInMB": needs.memory_mb,
        "minimumNumberOfProcessors": needs.processors,
        "minimumCpuSpeedInMHz": needs.cpu_mhz,
        "installExperience": {"runAsAccount": "system", "deviceRestartBehavior": _RESTARTS[publication.restart]},
        "returnCodes": [_return_code(code) for code in publication.return_codes or RETURN_CODES],
        "rules": rules,
        "msiInformation": None if msi is None else _msi_information(msi, publication),
    }


def _architectures(needs: WindowsNeeds) -> str:
    unknown = sorted(set(needs.architectures) - _ARCHITECTURES)
    if unknown or not needs.architectures:
        raise _refused(f"Intune knows no Windows architecture {', '.join(unknown) or 'of no name'}")
    return ",".join(needs.architectures)


def _msi_information(msi: MsiInfo, publication: Publication) -> Body:
    return {
        "productCode": msi.product_code,
        "productVersion": msi.product_version,
        "upgradeCode": msi.upgrade_code or None,
        "requiresReboot": msi.requires_reboot,
        "packageType": _PACKAGE_TYPES.get(msi.execution_context.lower(), "dualPurpose"),
        "productName": publication.name,
        "publisher": msi.publisher or publication.publisher,
    }


def _return_code(code: ReturnCode) -> Body:
    if code.meaning not in _RETURN_TYPES:
        raise _refused(f"no return code means {code.meaning!r}")
    # an installer's 0x80070643 is kept unsigned by people and wanted signed by Graph
    signed = code.code - (1 << 32) if code.code >= 1 << 31 else code.code
    return {"returnCode": signed, "type": _RETURN_TYPES[code.meaning]}


def _rule(rule: Detection | ScriptRequirement, kind: str) -> Body:
    """One rule; ``kind`` is detection or requirement."""
    match rule:
        case FileDetection(folder, file_name, version):
            return {
                "@odata.type": "#microsoft.graph.win32LobAppFileSystemRule",
                "ruleType": kind,
                "path": folder,
                "fileOrFolderName": file_name,
                "check32BitOn64System": False,
                **_comparison(version, "version", "greaterThanOrEqual"),
            }
        case RegistryDetection(key_path, value_name, value):
            return {
                "@odata.type": "#microsoft.graph.win32LobAppRegistryRule",
                "ruleType": kind,
                "keyPath": key_path,
                "valueName": value_name,
                "check32BitOn64System": False,
                **_comparison(value, "string", "equal"),
            }
        case MsiDetection(product_code, version):
            return {
                "@odata.type": "#microsoft.graph.win32LobAppProductCodeRule",
                "ruleType": kind,
                "productCode": product_code,
                "productVersion": version,
                "productVersionOperator": "notConfigured" if version is None else "greaterThanOrEqual",
            }
        case ScriptDetection(script, _):
            # Graph: name, account and comparison are not to be given for a detection
            return _script(script, kind) | {"operationType": "notConfigured", "operator": "notConfigured"}
        case ScriptRequirement(script, name, output):
            return _script(script, kind) | {
                "displayName": name,
                "runAsAccount": "system",
                **_comparison(output, "string", "equal"),
            }
        case ReceiptDetection() | BundleDetection():
            raise _refused("receipts and bundles are macOS's; Windows needs a file, registry, MSI or script detection")


def _script(script: str, kind: str) -> Body:
    return {
        "@odata.type": "#microsoft.graph.win32LobAppPowerShellScriptRule",
        "ruleType": kind,
        "scriptContent": base64.b64encode(script.encode()).decode(),
        "enforceSignatureCheck": False,
        "runAs32Bit": False,
    }


def _comparison(value: str | None, kind: str, operator: str) -> Body:
    if value is None:
        return {"operationType": "exists", "operator": "notConfigured", "comparisonValue": None}
    return {"operationType": kind, "operator": operator, "comparisonValue": value}


def _refused(detail: str) -> PlaneRejected:
    return report(PlaneRejected(Plane.INTUNE, "publish", detail))
