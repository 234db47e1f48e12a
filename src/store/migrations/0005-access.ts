import type { Migration } from "./all.ts";

// Credentials are kept as SHA-256 of what the client holds, so that a copy of the database signs nobody in.
export const access: Migration = {
  name: "0005-access",
  sql: `
    create table users (
      name text primary key,
      role text not null check (role in ('admin', 'member', 'viewer')),
      groups text[] not null default '{}',
      password_hash text,
      created_at timestamptz not null default now()
    );

    create table tokens (
      id uuid primary key,
      hash text not null unique,
      name text not null,
      role text not null check (role in ('admin', 'member', 'viewer')),
      groups text[] not null default '{}',
      owner text references users (name) on delete cascade,
      created_by text not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz,
      last_used_at timestamptz
    );
    create unique index tokens_name on tokens (coalesce(owner, ''), name);
    create index tokens_owner on tokens (owner);

    create table sessions (
      hash text primary key,
      user_name text references users (name) on delete cascade,
      token_id uuid references tokens (id) on delete cascade,
      host text,
      parent text references sessions (hash) on delete cascade,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null,
      ends_at timestamptz not null,
      check ((user_name is null) <> (token_id is null)),
      check ((host is null) = (parent is null))
    );
    create index sessions_user_name on sessions (user_name);
    create index sessions_token_id on sessions (token_id);
    create index sessions_parent on sessions (parent);
    create index sessions_expires_at on sessions (expires_at);

    create table sign_in_links (
      hash text primary key,
      user_name text not null,
      role text not null check (role in ('admin', 'member', 'viewer')),
      groups text[] not null default '{}',
      created_by text not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );

    create table host_codes (
      hash text primary key,
      session text not null references sessions (hash) on delete cascade,
      host text not null,
      path text not null,
      state text not null,
      expires_at timestamptz not null
    );
    create index host_codes_session on host_codes (session);
  `,
};
