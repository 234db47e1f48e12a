import type { Migration } from "./all.ts";

// The triggers tell the gateway which row to read again; the payload carries a key and never a value, because
// PostgreSQL bounds a payload at 8000 bytes (NOTIFY's manual page).
export const routes: Migration = {
  name: "0006-routes",
  sql: `
    create table routes (
      host text primary key,
      repository text not null,
      environment text not null,
      deployment text not null,
      upstream jsonb not null,
      access jsonb not null,
      updated_at timestamptz not null default now()
    );
    create index routes_stack on routes (repository, environment, deployment);

    create table server_endpoint (
      singleton boolean primary key default true check (singleton),
      hostname text not null,
      port integer not null check (port between 1 and 65535),
      updated_at timestamptz not null default now()
    );

    create function notify_gateway() returns trigger language plpgsql as $$
    begin
      perform pg_notify('waybill_gateway', json_build_object(
        'table', tg_table_name,
        'key', (case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end) ->> tg_argv[0]
      )::text);
      return null;
    end
    $$;

    create trigger routes_changed after insert or update or delete on routes
      for each row execute function notify_gateway('host');
    create trigger server_endpoint_changed after insert or update or delete on server_endpoint
      for each row execute function notify_gateway('singleton');
    create trigger sessions_changed after insert or update or delete on sessions
      for each row execute function notify_gateway('hash');
    create trigger tokens_changed after insert or delete or update of hash, name, role, groups, owner, expires_at on tokens
      for each row execute function notify_gateway('hash');
    create trigger users_changed after update of role, groups on users
      for each row execute function notify_gateway('name');
  `,
};
