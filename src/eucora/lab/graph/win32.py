"""The win32LobApp type of Graph v1.0: which properties it has, what a request may say, how it is written out."""

from datetime import datetime
from typing import Any, Final

from eucora.lab.graph.answers import Body, bad_request, stamp
from eucora.lab.graph.state import App, ContentFile

TYPE: Final = "#microsoft.graph.win32LobApp"

_RULES: Final = {
    f"#microsoft.graph.win32LobApp{kind}Rule" for kind in ("FileSystem", "Registry", "ProductCode", "PowerShellScript")
}
# Property: (type of its value, default where a request leaves it out).
_WRITABLE: Final[dict[str, tuple[type | tuple[type, ...], Any]]] = {
    "displayName": (str, None),
    "description": (str, None),
    "publisher": (str, None),
    "developer": (str, ""),
    "owner": (str, ""),
    "notes": (str, ""),
    "informationUrl": (str, None),
    "privacyInformationUrl": (str, None),
    "isFeatured": (bool, False),
    "largeIcon": (dict, None),
    "fileName": (str, None),
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
_REQUIRED: Final = (
    "displayName",
    "publisher",
    "description",
    "fileName",
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
}


def check_new(body: Body) -> Body:
    """The properties of a new application, defaults filled in. Raises GraphError 400."""
    if body.get("@odata.type") != TYPE:
        raise bad_request(f"The lab keeps {TYPE} only, not '{body.get('@odata.type')}'.")
    given = check_change(body)
    given.pop("committedContentVersion", None)
    missing = [name for name in _REQUIRED if name not in given]
    if missing:
        raise bad_request(f"Required property '{missing[0]}' is missing.")
    defaults = {name: list(value) if isinstance(value, list) else value for name, (_, value) in _WRITABLE.items()}
    return defaults | given


def check_change(body: Body) -> Body:
    """The properties a PATCH may set, ``committedContentVersion`` among them. Raises GraphError 400."""
    given = {name: value for name, value in body.items() if not name.startswith("@odata.")}
    for name, value in given.items():
        if name == "committedContentVersion":
            continue
        if name not in _WRITABLE:
            raise bad_request(
                f"The property '{name}' does not exist on type 'microsoft.graph.win32LobApp' or cannot be set."
            )
        wanted = _WRITABLE[name][0]
        wrong = value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)))
        if wrong:
            raise bad_request(f"Cannot convert the value of property '{name}'.")
        if name in _REQUIRED and not value:
            raise bad_request(f"Property '{name}' cannot be empty.")
    if "rules" in given:
        _check_rules(given["rules"])
    for code in given.get("returnCodes") or ():
        _check_return_code(code)
    _check_enums(given.get("installExperience") or {})
    return given


def _check_rules(rules: Any) -> None:
    if not rules or not all(isinstance(rule, dict) for rule in rules):
        raise bad_request("At least one rule is needed.")
    for rule in rules:
        if rule.get("@odata.type") not in _RULES:
            raise bad_request(f"'{rule.get('@odata.type')}' is no rule of a Win32 application.")
        if rule.get("ruleType") not in ("detection", "requirement"):
            raise bad_request("A rule needs a ruleType, detection or requirement.")
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


def render_app(now: datetime, app: App) -> Body:
    """The application as Graph writes it, without ``@odata.context``."""
    file = app.content(now)
    return {
        "@odata.type": TYPE,
        "id": app.id,
        "createdDateTime": stamp(app.created),
        "lastModifiedDateTime": stamp(app.modified),
        "publishingState": app.publishing_state(now),
        "size": file.size_encrypted if file else 0,
        "committedContentVersion": app.committed_version,
        **app.body,
    }


def render_file(now: datetime, file: ContentFile) -> Body:
    """A content file as Graph writes it."""
    ready = file.step == "commitFile" or not file.upload_state(now).endswith("Pending")
    expires = stamp(file.uri_expires) if ready and file.uri_expires else None
    return {
        "@odata.type": "#microsoft.graph.mobileAppContentFile",
        "id": file.id,
        "azureStorageUri": file.uri if ready else None,
        "azureStorageUriExpirationDateTime": expires,
        "createdDateTime": stamp(file.created),
        "isCommitted": file.committed(now),
        "isDependency": file.is_dependency,
        "manifest": file.manifest,
        "name": file.name,
        "size": file.size,
        "sizeEncrypted": file.size_encrypted,
        "uploadState": file.upload_state(now),
    }
