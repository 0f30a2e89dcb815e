"""A rollout in virtual time: the real store, rules and connectors against the simulated vendors, days in seconds."""
