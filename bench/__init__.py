"""Measures the event store beside floors of the same run. ``python -m bench``; ratios count, not rates."""
