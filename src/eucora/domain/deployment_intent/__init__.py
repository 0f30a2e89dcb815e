"""Deployment intent: carries one release from ring to ring on every plane. Stream: ``deployment_intent-<id>``."""
