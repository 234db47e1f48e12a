import type { Migration } from "./all.ts";

// Every connection of a server bears the server's name. The tables refuse the writes of one that does not act any more;
// gateways, which write what was used, are no servers.
export const replicas: Migration = {
  name: "0012-replicas",
  sql: `
    create table server_lease (
      singleton boolean primary key default true check (singleton),
      holder text not null,
      place text not null,
      expires_at timestamptz not null,
      -- Those that acted before, whose connections are still to be ended.
      former text[] not null default '{}'
    );
    insert into server_lease (holder, place, expires_at) values ('', '', '-infinity');

    create function refuse_former_server() returns trigger language plpgsql as $$
    declare
      mine text := current_setting('application_name');
    begin
      if mine like 'waybill server %' and not exists (select from server_lease where holder = mine) then
        raise exception 'another server acts for this database now' using errcode = 'WB001';
      end if;
      return null;
    end
    $$;

    -- Gateways of other machines are asked by way of the database. One that was not seen for a while has ended.
    create table gateways (
      id text primary key,
      seen_at timestamptz not null default now()
    );
    create table gateway_questions (
      id integer generated always as identity primary key,
      action text not null,
      body jsonb not null,
      asked_at timestamptz not null default now()
    );
    create table gateway_answers (
      question integer not null references gateway_questions on delete cascade,
      gateway text not null,
      in_flight integer not null,
      primary key (question, gateway)
    );

    create function notify_question() returns trigger language plpgsql as $$
    begin
      perform pg_notify('waybill_questions', new.id::text);
      return null;
    end
    $$;

    create trigger question_asked after insert on gateway_questions
      for each row execute function notify_question();

    create function fence(tables text[]) returns void language plpgsql as $$
    declare
      name text;
    begin
      foreach name in array tables loop
        execute format('create trigger fenced before insert or update or delete on %I
          for each statement execute function refuse_former_server()', name);
      end loop;
    end
    $$;

    select fence(array(
      select tablename::text from pg_tables
      where schemaname = current_schema() and tablename not in ('migrations', 'server_lease')
    ));
  `,
};
