-- A token here is sealed under a key that comes from the client's own credential, which is never in the database.
CREATE TABLE token_cache (
    key TEXT NOT NULL,
    sealed BYTEA,
    renew_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    generation BIGINT DEFAULT 0 NOT NULL,
    renewer TEXT,
    renewer_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (key)
);

COMMENT ON TABLE token_cache IS 'Access tokens to vendors, unreadable without the credential that they were had for, and who renews one.';

ALTER TABLE token_cache OWNER TO eucora_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON token_cache TO eucora_app;
