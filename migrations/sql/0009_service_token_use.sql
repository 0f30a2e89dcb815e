-- One row a service token that was ever used. Lost rows cost nothing but the answer to "is it still in use?".
CREATE TABLE service_token_use (
  token_id TEXT NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (token_id)
);
COMMENT ON TABLE service_token_use IS 'When each service token was last used, to the minute.';

ALTER TABLE service_token_use OWNER TO eucora_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON service_token_use TO eucora_app;
