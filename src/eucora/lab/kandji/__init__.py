"""A simulated Kandji tenant. Entry point: ``create_kandji``."""

from eucora.lab.kandji.app import KandjiStore, create_kandji

__all__ = ["KandjiStore", "create_kandji"]
