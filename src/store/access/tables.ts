import type { Generated } from "kysely";
import type { Role } from "../../access/permission.ts";

export interface AccessSchema {
  users: UserTable;
  tokens: TokenTable;
  sessions: SessionTable;
  sign_in_links: LinkTable;
  host_codes: HostCodeTable;
}

interface UserTable {
  name: string;
  role: Role;
  groups: string[];
  password_hash: string | null;
  created_at: Generated<Date>;
}

interface TokenTable {
  id: string;
  hash: string;
  name: string;
  role: Role;
  groups: string[];
  owner: string | null;
  created_by: string;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
}

interface SessionTable {
  hash: string;
  user_name: string | null;
  token_id: string | null;
  host: string | null;
  parent: string | null;
  created_at: Generated<Date>;
  expires_at: Date;
  ends_at: Date;
}

interface LinkTable {
  hash: string;
  user_name: string;
  role: Role;
  groups: string[];
  created_by: string;
  created_at: Generated<Date>;
  expires_at: Date;
}

export interface HostCodeTable {
  hash: string;
  session: string;
  host: string;
  path: string;
  state: string;
  expires_at: Date;
}
