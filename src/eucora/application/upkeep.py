"""The jobs that need no plane, by kind: each noun has its own in a module of that name."""

from eucora.application import (
    break_glass_jobs,
    cab_review_jobs,
    deployment_intent_jobs,
    incident_jobs,
    policy_exception_jobs,
    trust_maturity_jobs,
)

UPKEEP = (
    trust_maturity_jobs.JOBS
    | cab_review_jobs.JOBS
    | deployment_intent_jobs.JOBS
    | policy_exception_jobs.JOBS
    | break_glass_jobs.JOBS
    | incident_jobs.JOBS
)
