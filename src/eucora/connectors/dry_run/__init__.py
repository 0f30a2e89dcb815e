"""A rollout's requests without the rollout: reads reach the vendor, writes are shown and answered here."""
