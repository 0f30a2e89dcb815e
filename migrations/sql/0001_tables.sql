-- The tables as they stood at this revision; later revisions alter them.

CREATE TABLE device_install (
  intent_id TEXT NOT NULL,
  ring SMALLINT NOT NULL,
  plane TEXT NOT NULL,
  device_id TEXT NOT NULL,
  state TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  observed_at TIMESTAMP WITH TIME ZONE,
  installed_at TIMESTAMP WITH TIME ZONE,
  last_check_in TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (intent_id, ring, plane, device_id)
);
COMMENT ON TABLE device_install IS 'The planes'' latest word per device. Fed by observation, not by events; events carry the counts.';

CREATE TABLE event (
  position BIGINT NOT NULL,
  stream TEXT NOT NULL,
  version INTEGER NOT NULL,
  id UUID NOT NULL,
  type TEXT NOT NULL,
  schema SMALLINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  actor TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  causation_id UUID,
  intent_id TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (position),
  CONSTRAINT event_stream_version UNIQUE (stream, version),
  CONSTRAINT event_id UNIQUE (id),
  CONSTRAINT event_body_fits_an_entry CHECK (octet_length(body) <= 65535)
);
COMMENT ON TABLE event IS 'The log. Append-only: positions are dense from 0, body holds the exact bytes that are hashed.';

CREATE TABLE job (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  kind TEXT NOT NULL,
  payload JSONB NOT NULL,
  lock_key TEXT,
  dedupe_key TEXT,
  priority SMALLINT DEFAULT '100' NOT NULL,
  run_at TIMESTAMP WITH TIME ZONE NOT NULL,
  attempt INTEGER DEFAULT '0' NOT NULL,
  attempts_max INTEGER DEFAULT '8' NOT NULL,
  state TEXT DEFAULT 'ready' NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  worker TEXT,
  last_error TEXT,
  correlation_id TEXT NOT NULL,
  intent_id TEXT NOT NULL,
  causation_id UUID,
  PRIMARY KEY (id),
  CONSTRAINT job_state CHECK (state in ('ready', 'running', 'dead'))
);
CREATE UNIQUE INDEX job_dedupe ON job (dedupe_key) WHERE state = 'ready' and dedupe_key is not null;
CREATE UNIQUE INDEX job_key_running ON job (lock_key) WHERE state = 'running' and lock_key is not null;
CREATE INDEX job_lease ON job (lease_until) WHERE state = 'running';
CREATE INDEX job_ready ON job (priority, run_at, id) WHERE state = 'ready';
COMMENT ON TABLE job IS 'Work caused by events, inserted in the transaction that appended them. A finished job is gone.';

CREATE TABLE log_head (
  one BOOLEAN DEFAULT true NOT NULL,
  next BIGINT NOT NULL,
  PRIMARY KEY (one),
  CONSTRAINT log_head_one_row CHECK (one)
);
COMMENT ON TABLE log_head IS 'The next position. Taken and moved inside the append function only.';

CREATE TABLE rate_bucket (
  key TEXT NOT NULL,
  tat TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (key)
);
COMMENT ON TABLE rate_bucket IS 'Shared request budgets (GCRA): the theoretical arrival time of the next request.';

CREATE TABLE reply (
  owner TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  status SMALLINT NOT NULL,
  body BYTEA NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (owner, key)
);
COMMENT ON TABLE reply IS 'What was answered to an Idempotency-Key, written with the events that the request caused.';

CREATE TABLE ring_cohort (
  intent_id TEXT NOT NULL,
  ring SMALLINT NOT NULL,
  plane TEXT NOT NULL,
  device_id TEXT NOT NULL,
  name TEXT NOT NULL,
  serial TEXT NOT NULL,
  site_class TEXT NOT NULL,
  critical BOOLEAN NOT NULL,
  group_ref TEXT NOT NULL,
  last_check_in TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (intent_id, ring, plane, device_id)
);
COMMENT ON TABLE ring_cohort IS 'The devices of a ring, frozen when it opened; their digest is in the event cohort_frozen.';

CREATE TABLE installation (
  one BOOLEAN DEFAULT true NOT NULL,
  cursor_key BYTEA NOT NULL,
  PRIMARY KEY (one),
  CONSTRAINT installation_one_row CHECK (one)
);
COMMENT ON TABLE installation IS 'What all replicas share: the key under which list cursors are signed.';
