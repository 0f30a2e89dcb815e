-- A third role, for exports: it reads the log and the read models, and nothing that is a key, a token or work in hand.
-- It cannot log in by itself; whoever exports is given it ("grant eucora_reader to ...").
do $$
begin
  if to_regrole('eucora_reader') is null then
    begin
      create role eucora_reader nologin;
    exception
      when duplicate_object or unique_violation then null;  -- roles are of the cluster: made by another database just now
      when insufficient_privilege then
        raise exception 'this migration needs a role that its login may not make: have an administrator run'
          ' "create role eucora_reader nologin" once, and migrate again' using errcode = '42501';
    end;
  end if;
end $$;

grant usage on schema public, read_model to eucora_reader;
grant select on event, log_head to eucora_reader;
-- Those of later versions are granted where they are made. The one of service tokens stays closed: it is what tokens are
-- looked up in.
do $$
declare
  model regclass;
begin
  for model in
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'read_model' and c.relkind = 'r' and c.relname !~ '^service_token'
  loop
    execute format('grant select on %s to eucora_reader', model);
  end loop;
end $$;

-- What Postgres gives to everybody unasked is given to whom it is meant for.
revoke all on schema public from public;
revoke all on function append_events(append_head[], append_entry[], jsonb, jsonb, jsonb) from public;
revoke all on function append_event(text, int, uuid, text, smallint, timestamptz, text, text, uuid, text, bytea) from public;
revoke all on function refuse_rewrite() from public;
revoke all on function refuse_shrinking() from public;
revoke all on type append_head, append_entry from public;
grant execute on function append_events(append_head[], append_entry[], jsonb, jsonb, jsonb) to eucora_app;
grant execute on function append_event(text, int, uuid, text, smallint, timestamptz, text, text, uuid, text, bytea)
  to eucora_app;
grant usage on type append_head, append_entry to eucora_app;
do $$
begin
  execute format('revoke temporary on database %I from public', current_database());
end $$;

-- Emptying it would let positions begin anew; row triggers do not see that.
create trigger log_head_no_truncate before truncate on log_head for each statement execute function refuse_rewrite();
alter table log_head enable always trigger log_head_no_truncate;
