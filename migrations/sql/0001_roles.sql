-- Roles are of the cluster, not of the database: another database may have made them, perhaps at this very moment.
do $$
begin
  if to_regrole('eucora_owner') is null then  -- where it is there, whoever migrates need not be able to make one
    begin
      create role eucora_owner nologin;
    exception when duplicate_object or unique_violation then null;
    end;
  end if;
  if to_regrole('eucora_app') is null then  -- where it is there, whoever migrates need not be able to make one
    begin
      create role eucora_app login;
    exception when duplicate_object or unique_violation then null;
    end;
  end if;
  -- Whoever migrates must be able to hand the tables over, and to act as the app where one login serves both. To have
  -- made a role is to be a member who may pass it on, and no more (PostgreSQL 16 and later): so usage is asked for.
  if not pg_has_role(current_user, 'eucora_owner', 'usage') then
    execute format('grant eucora_owner to %I', current_user);
  end if;
  if not pg_has_role(current_user, 'eucora_app', 'usage') then
    execute format('grant eucora_app to %I', current_user);
  end if;
end $$;

revoke create on schema public from public;
revoke all on all tables in schema public from public;
grant usage on schema public to eucora_app;
grant usage, create on schema public to eucora_owner;

alter table event owner to eucora_owner;
alter table log_head owner to eucora_owner;
alter table job owner to eucora_owner;
alter table reply owner to eucora_owner;
alter table ring_cohort owner to eucora_owner;
alter table device_install owner to eucora_owner;
alter table rate_bucket owner to eucora_owner;
alter table installation owner to eucora_owner;

grant select, insert on event to eucora_app;
grant select, update on log_head to eucora_app;
grant select, insert, update, delete on job to eucora_app;
grant select, insert, delete on reply to eucora_app;
grant select, insert, delete on ring_cohort to eucora_app;
grant select, insert, update, delete on device_install to eucora_app;
grant select, insert, update, delete on rate_bucket to eucora_app;
grant select on installation to eucora_app;
grant select on alembic_version to eucora_app;

-- 244 random bits, from the server's strong source; hashed to the length of an HMAC key.
insert into installation (cursor_key)
values (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- Read models are dropped and replayed by the app itself.
create schema if not exists read_model authorization eucora_app;
