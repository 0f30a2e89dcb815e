"""The app types that the lab keeps: what a request may say of each, and how apps and their files are written out."""

from datetime import datetime
from typing import Any, Final

from eucora.lab.graph import mac, win32
from eucora.lab.graph.answers import Body, bad_request, stamp
from eucora.lab.graph.state import App, ContentFile

# Property: (type of its value, default where a request leaves it out).
_COMMON: Final[dict[str, tuple[type | tuple[type, ...], Any]]] = {
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
}
_COMMON_REQUIRED: Final = ("displayName", "publisher", "description", "fileName")
_WRITABLE: Final = {
    win32.TYPE: _COMMON | win32.WRITABLE,
    mac.LOB: _COMMON | mac.LOB_WRITABLE,
    mac.DMG: _COMMON | mac.DMG_WRITABLE,
}
_REQUIRED: Final = {
    win32.TYPE: (*_COMMON_REQUIRED, *win32.REQUIRED),
    mac.LOB: (*_COMMON_REQUIRED, *mac.LOB_REQUIRED),
    mac.DMG: (*_COMMON_REQUIRED, *mac.DMG_REQUIRED),
}
_CHECKS: Final = {win32.TYPE: win32.check_own, mac.LOB: mac.check_own, mac.DMG: mac.check_own}
TYPES: Final = tuple(_WRITABLE)


def check_new(body: Body) -> Body:
    """The properties of a new application, defaults filled in, its type among them. Raises GraphError 400."""
    app_type = body.get("@odata.type")
    if app_type not in _WRITABLE:
        raise bad_request(f"The lab keeps {', '.join(TYPES)} only, not '{app_type}'.")
    given = check_change(app_type, body)
    given.pop("committedContentVersion", None)
    missing = [name for name in _REQUIRED[app_type] if name not in given]
    if missing:
        raise bad_request(f"Required property '{missing[0]}' is missing.")
    writable = _WRITABLE[app_type].items()
    defaults = {name: list(value) if isinstance(value, list) else value for name, (_, value) in writable}
    return {"@odata.type": app_type} | defaults | given


def check_change(app_type: str, body: Body) -> Body:
    """The properties a PATCH may set, ``committedContentVersion`` among them. Raises GraphError 400."""
    given = {name: value for name, value in body.items() if not name.startswith("@odata.")}
    writable, required = _WRITABLE[app_type], _REQUIRED[app_type]
    for name, value in given.items():
        if name == "committedContentVersion":
            continue
        if name not in writable:
            plain = app_type.removeprefix("#")
            raise bad_request(f"The property '{name}' does not exist on type '{plain}' or cannot be set.")
        wanted = writable[name][0]
        wrong = value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)))
        if wrong:
            raise bad_request(f"Cannot convert the value of property '{name}'.")
        if name in required and not value:
            raise bad_request(f"Property '{name}' cannot be empty.")
    _CHECKS[app_type](given)
    return given


def render_app(now: datetime, app: App) -> Body:
    """The application as Graph writes it, without ``@odata.context``."""
    file = app.content(now)
    return {
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
