"""The win32LobApp type of Graph v1.0: which properties it has of its own, and what a request may say of them."""

from typing import Any, Final

from eucora.lab.graph.answers import Body, bad_request

TYPE: Final = "#microsoft.graph.win32LobApp"

_RULES: Final = {
    f"#microsoft.graph.win32LobApp{kind}Rule" for kind in ("FileSystem", "Registry", "ProductCode", "PowerShellScript")
}
# Property: (type of its value, default where a request leaves it out).
WRITABLE: Final[dict[str, tuple[type | tuple[type, ...], Any]]] = {
    "setupFilePath": (str, None),
    "installCommandLine": (str, None),
    "uninstallCommandLine": (str, None),
    "applicableArchitectures": (str, "none"),
    "allowedArchitectures": (str, None),
    "minimumSupportedWindowsRelease": (str, None),
    "minimumFreeDiskSpaceInMB": (int, None),
    "minimumMemoryInMB": (int, None),
    "minimumNumberOfProcessors": (int, None),
    "minimumCpuSpeedInMHz": (int, None),
    "installExperience": (dict, None),
    "returnCodes": (list, []),
    "rules": (list, []),
    "msiInformation": (dict, None),
}
# What Microsoft's own samples always send; the service is known to want some of it, and the lab wants all.
REQUIRED: Final = (
    "setupFilePath",
    "installCommandLine",
    "uninstallCommandLine",
    "installExperience",
    "rules",
)
_ENUMS: Final = {
    "runAsAccount": {"system", "user"},
    "deviceRestartBehavior": {"basedOnReturnCode", "allow", "suppress", "force"},
    "type": {"failed", "success", "softReboot", "hardReboot", "retry"},
    "packageType": {"perMachine", "perUser", "dualPurpose"},
}


def check_own(given: Body) -> None:
    """Look into the properties of a request that are more than a plain value. Raises GraphError 400."""
    if "rules" in given:
        _check_rules(given["rules"])
    for code in given.get("returnCodes") or ():
        _check_return_code(code)
    _check_enums(given.get("installExperience") or {})
    _check_enums(given.get("msiInformation") or {})


def _check_rules(rules: Any) -> None:
    if not rules or not all(isinstance(rule, dict) for rule in rules):
        raise bad_request("At least one rule is needed.")
    for rule in rules:
        if rule.get("@odata.type") not in _RULES:
            raise bad_request(f"'{rule.get('@odata.type')}' is no rule of a Win32 application.")
        if rule.get("ruleType") not in ("detection", "requirement"):
            raise bad_request("A rule needs a ruleType, detection or requirement.")
        if rule["ruleType"] == "requirement" and rule["@odata.type"].endswith("ProductCodeRule"):
            raise bad_request("A product code rule is not supported as a requirement rule.")
    detections = [rule for rule in rules if rule["ruleType"] == "detection"]
    if not detections:
        raise bad_request("At least one detection rule is needed.")
    scripts = [rule for rule in detections if rule["@odata.type"].endswith("PowerShellScriptRule")]
    if scripts and len(detections) > 1:
        raise bad_request("A script detection rule excludes every other detection rule.")


def _check_return_code(code: Any) -> None:
    if not isinstance(code, dict) or not isinstance(code.get("returnCode"), int):
        raise bad_request("A return code needs a returnCode and a type.")
    _check_enums(code)


def _check_enums(body: Body) -> None:
    for name, members in _ENUMS.items():
        if name in body and body[name] not in members:
            raise bad_request(f"Invalid value '{body[name]}' for property '{name}'.")
