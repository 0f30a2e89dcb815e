"""Deployment intent: carries one release from ring to ring on every plane. Stream: ``deployment_intent-<id>``."""

from eucora.domain.deployment_intent.decide import DECIDER

__all__ = ["DECIDER"]
