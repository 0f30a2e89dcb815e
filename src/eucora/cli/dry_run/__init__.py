"""``eucora dry-run``: the requests that a rollout would send, shown before any of them is sent."""
