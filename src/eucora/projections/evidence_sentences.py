"""Sentences about evidence packs; see :mod:`eucora.projections.summaries`."""

from eucora.domain import evidence_pack as pack

NAMED_MAX = 5  # ids in a sentence


def of_evidence(event: object) -> str:
    """What happened to an evidence pack; empty for another event."""
    match event:
        case pack.EvidencePackAssembled(application=app, missing=missing):
            state = f"incomplete: it lacks {'; '.join(missing)}" if missing else "complete"
            return f"Evidence for {app.name} {app.version} was assembled, {state}"
        case pack.EvidenceRescanned(new_critical=new):
            known = f"{event.findings.critical} critical and {event.findings.high} high findings"
            found = f", newly critical: {', '.join(new[:NAMED_MAX])}" if new else ""
            more = f" and {len(new) - NAMED_MAX} more" if len(new) > NAMED_MAX else ""
            return f"A newer scan of the SBOM reports {known}{found}{more}"
    return ""
