"""EUCORA: deployment governance for endpoint applications."""

__version__ = "0.1.0"
