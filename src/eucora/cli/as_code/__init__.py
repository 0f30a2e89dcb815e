"""Deployment intents as files: read, compare with what is recorded, hand in."""
