-- One row a write that a plane queued for approval, or that is being asked. Ended rows stay: they say who decided.
CREATE TABLE held_request (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  key TEXT NOT NULL,
  tenant TEXT NOT NULL,
  entity TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  content_type TEXT NOT NULL,
  body BYTEA,
  purpose TEXT NOT NULL,
  lane SMALLINT NOT NULL,
  state TEXT NOT NULL,
  code TEXT NOT NULL,
  asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  claimed_until TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  decided_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  CONSTRAINT held_request_state CHECK (state in ('asking', 'open', 'ended'))
);
COMMENT ON TABLE held_request IS 'Writes that a plane holds back for an approval of its own, byte for byte; never one whose body is secret.';
-- the same request waits once; asked again after its end, it has a row of its own
CREATE UNIQUE INDEX held_request_living ON held_request (key) WHERE state <> 'ended';
CREATE INDEX held_request_entity ON held_request (tenant, entity) WHERE state <> 'ended';
CREATE INDEX held_request_code ON held_request (code) WHERE state = 'ended';

ALTER TABLE held_request OWNER TO eucora_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON held_request TO eucora_app;
