"""Why an installation failed, in words, from the code or the detail that a device reported.

Sources: Microsoft's app installation error reference (MicrosoftDocs/memdocs, intune/apps/troubleshoot-app-install.md)
for 0x87D1…, 0x80073C… and 0x80CF…; MsiExec.exe and InstMsi.exe error messages (learn.microsoft.com, win32/msi,
error-codes) for 16xx; winerror.h for the system's own codes; members of Graph's resultantAppStateDetail. Microsoft
documents no table for the 0x87D300… codes of its own management extension: those here are what administrators who read
its log agree on (anoopcnair.com, Intune Management Extension deep dive), and say so.
"""

import re
from typing import Final

_DETAIL_MAX: Final = 500  # characters

# Exit codes, and the low half of 0x8007xxxx (HRESULT_FROM_WIN32).
_WINDOWS: Final = {
    2: "a file that the command names is not there",
    3: "a folder that the command names is not there",
    5: "access was denied",
    13: "the installer got data that it cannot read",
    32: "a file is in use by another process",
    87: "the command line has a parameter that the installer does not take",
    112: "there is not enough space on the disk",
    193: "the setup file is no program for this Windows",
    216: "the program is for another processor",
    740: "the installer wants to be run with higher rights",
    1223: "somebody cancelled it",
    1259: "Windows blocks the program as incompatible",
    1460: "it took longer than was allowed",
    1601: "the Windows Installer service could not be reached",
    1602: "somebody cancelled the installation",
    1603: "the installer met a fatal error; its own log says which",
    1604: "the installation was suspended before its end",
    1605: "the product is not installed, so there is nothing to change or remove",
    1610: "what Windows Installer knows of the product is corrupt",
    1612: "the source that the product was installed from is gone",
    1613: "the package needs a newer Windows Installer",
    1614: "the product was removed",
    1618: "another installation was in progress",
    1619: "the package could not be opened",
    1620: "the file is no package of Windows Installer",
    1622: "the installer's log file could not be opened",
    1624: "a transform could not be applied",
    1625: "a policy of the device forbids the installation",
    1633: "the package is for another processor",
    1636: "the patch is not valid",
    1638: "another version of the product is installed already",
    1639: "the command line is not valid",
    1641: "the installer began a restart",
    1642: "the product that the patch is for is not there",
    3010: "a restart is needed to finish",
}
_CODES: Final = {
    0x87D1041C: "the installer ended well, but the detection does not find the release",
    0x87D13B9F: "a volume-purchased app is installed and a newer version of it waits (Apple devices)",
    0x87D12906: "Apple's management agent reported a failure without a reason",
    0x87D1313C: "the network connection was lost",
    0x87D11388: "the device was busy or locked",
    0x87D13B64: "the installation failed on the device, which gave no reason",
    0x87D13B66: "the app was managed, and has expired or been removed by somebody",
    0x87D13B62: "somebody declined the installation",
    0x87D13B63: "somebody declined the update",
    0x87D103E8: "the device gave no reason",
    0x87D13B8F: "the app is there, but was not installed by Intune",
    0x87D13B9D: "an earlier version is still installed",
    0x80073CF0: "the package is unsigned, or its publisher is not the signer",
    0x80073CF3: "the package conflicts with an installed one, lacks a dependency or is for another processor",
    0x80073CFB: "the same version with other content is installed",
    0x80073CFF: "the device does not allow packages from outside the store",
    0x80CF201C: "the device does not allow packages from outside the store",
    0x8000FFFF: "the installer met an unexpected error; its own log says which",
    0x87D30065: "the device could not learn where the content is (by accounts in the field)",
    0x87D30067: "the content could not be unpacked on the device (by accounts in the field)",
    0x87D3006A: "the download of the content took too long (by accounts in the field)",
    0x87D300C9: "the installer was still running when its time was over (by accounts in the field)",
    0x87D300CD: "the user signed out while it was being installed (by accounts in the field)",
}
_DETAILS: Final = {
    "dependencyfailedtoinstall": "an app that it depends on failed",
    "dependencywithrequirementsnotmet": "an app that it depends on does not apply to the device",
    "dependencypendingreboot": "an app that it depends on waits for a restart",
    "dependencywithautoinstalldisabled": "an app that it depends on is not installed by itself",
    "pendingreboot": "it waits for a restart",
    "installingdependencies": "apps that it depends on are being installed",
    "autoinstalldisabled": "it is not installed by itself",
    "contentdownloaded": "the content is there, the installation is to come",
    "managedappnolongerpresent": "it was there and is gone",
    "userrejectedinstall": "somebody declined the installation",
    "userrejectedupdate": "somebody declined the update",
    "powershellscriptrequirementnotmet": "the device does not meet a requirement that a script checks",
    "registryrequirementnotmet": "the device does not meet a requirement on its registry",
    "filesystemrequirementnotmet": "the device does not meet a requirement on its files",
    "platformnotapplicable": "it is for another platform",
    "minimumcpuspeednotmet": "the processor is too slow",
    "minimumlogicalprocessorcountnotmet": "the device has too few processors",
    "minimumphysicalmemorynotmet": "the device has too little memory",
    "minimumosversionnotmet": "the operating system is too old",
    "minimumdiskspacenotmet": "there is too little space on the disk",
    "processorarchitecturenotapplicable": "it is for another processor",
}
_EMPTY: Final = frozenset({"", "none", "noadditionaldetails", "seeinstallerrorcode", "seeuninstallerrorcode"})


def cause_of(code: str) -> str:
    """Our words for a code like ``0x80070643``; empty for one that is not in the table."""
    value = int(code, 16) if re.fullmatch(r"0x[0-9A-Fa-f]{1,8}", code) else 0
    if value in _CODES:
        return _CODES[value]
    # an exit code as it is, or wrapped as a result of the system (facility 7)
    return _WINDOWS.get(value & 0xFFFF, "") if value >> 16 in (0, 0x8007) else ""


def told(detail: object, code: str) -> str:
    """The vendor's word for what happened and ours, at most 500 characters; empty where neither says anything."""
    word = str(detail).strip() if isinstance(detail, str | int) and not isinstance(detail, bool) else ""
    folded = re.sub(r"[^a-z]", "", word.lower())
    if word == "0" or (folded in _EMPTY and not word.isdigit()):
        word = ""
    cause = cause_of(code) or _DETAILS.get(folded, "")
    return "; ".join(text for text in (word.rstrip("."), cause) if text)[:_DETAIL_MAX]
