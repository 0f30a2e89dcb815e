"""A simulated Jamf Pro server: the parts of its Pro and Classic APIs that a package rollout uses."""

from eucora.lab.jamf.app import create_jamf
from eucora.lab.jamf.store import JamfStore

__all__ = ["JamfStore", "create_jamf"]
