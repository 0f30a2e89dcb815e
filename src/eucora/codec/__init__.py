"""How events are written down. Importing the package registers every event of the domain."""

from eucora.codec import artifact, cab_review, deployment_intent, evidence_pack, gate_policy, incident, service_token
from eucora.codec.registry import EVENTS

for _noun in (artifact, cab_review, deployment_intent, evidence_pack, gate_policy, incident, service_token):
    EVENTS.add(_noun.STORED_AS)
