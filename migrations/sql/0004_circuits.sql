-- One row an upstream and tenant whose circuit ever opened. What happened to it is in the log; this is the state that
-- calls ask for, changed by conditional updates: of several replicas one opens it, one probes, one closes it.
CREATE TABLE circuit (
  key TEXT NOT NULL,
  period BIGINT NOT NULL,
  failures INTEGER NOT NULL,
  error TEXT NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE,
  probe_at TIMESTAMP WITH TIME ZONE,
  probing_until TIMESTAMP WITH TIME ZONE,
  recorded BOOLEAN NOT NULL,
  PRIMARY KEY (key)
);
COMMENT ON TABLE circuit IS 'Circuits shared by all replicas. Open while probe_at is set; period grows with every change.';
CREATE INDEX circuit_unrecorded ON circuit (key) WHERE not recorded;

CREATE TABLE upstream_report (
  key TEXT NOT NULL,
  replica TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  failures INTEGER NOT NULL,
  in_flight INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  last_error TEXT NOT NULL,
  last_error_at TIMESTAMP WITH TIME ZONE,
  last_success_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (key, replica)
);
COMMENT ON TABLE upstream_report IS 'How each replica fares with each upstream, by its own latest word.';

ALTER TABLE circuit OWNER TO eucora_owner;
ALTER TABLE upstream_report OWNER TO eucora_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON circuit TO eucora_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON upstream_report TO eucora_app;
