"""The two written documents of an evidence pack: what was tested in the lab, and how to go back."""

import json


def render_test_evidence(name: str, version: str) -> bytes:
    """Lab test evidence, JSON. It claims only what the story itself goes on to do."""
    document = {
        "application": name,
        "version": version,
        "environment": "simulated vendors and devices",
        "cases": [
            {"case": "installs silently on a device without the application", "result": "passed"},
            {"case": "is detected after the install, and not before", "result": "passed"},
            {"case": "uninstalls silently and is not detected afterwards", "result": "passed"},
        ],
        "note": "Written for the story; a real pack carries the results of a real test run.",
    }
    return json.dumps(document, indent=2).encode()


def render_rollback_plan(name: str, version: str) -> bytes:
    """A rollback plan, JSON: one list of steps for each platform."""
    document = {
        "application": name,
        "version": version,
        "windows": ["Withdraw the assignment", "Assign the uninstall", "Watch until the detection rule finds nothing"],
        "macos": ["Disable the install policy", "Run the uninstall policy", "Watch until the receipt is gone"],
        "decided_by": "incident commander",
        "time_limit_minutes": 60,
        "note": "Written for the story; a real pack carries the plan that was rehearsed.",
    }
    return json.dumps(document, indent=2).encode()
