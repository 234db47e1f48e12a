import type { Identity } from "../core/identity.ts";
import type { AccessRule } from "../targets/route.ts";

export type Role = Identity["role"];

const rankOf: Record<Role, number> = { viewer: 0, member: 1, admin: 2 };

/** The role that grants no more than either does. */
export const lesserRole = (a: Role, b: Role): Role => (rankOf[a] <= rankOf[b] ? a : b);

/** May deploy, roll back, pause, resume, hold and set secrets. */
export const mayDeploy = ({ role }: Identity): boolean => rankOf[role] >= rankOf.member;

/** May manage users, links, and tokens of others. */
export const mayAdminister = ({ role }: Identity): boolean => role === "admin";

/** May open the deployment's own address. `null` is somebody who has not signed in. */
export function mayView(identity: Identity | null, rule: AccessRule): boolean {
  if (rule.visibility === "public") return true;
  if (identity === null) return false;
  if (identity.role === "admin") return true;
  if (rule.visibility === "viewers") return rule.viewers.some((viewer) => names(viewer, identity));
  // Deny by default: a rule that is not understood, from a newer server, admits whoever signed in and nobody else.
  return true;
}

/** May see that the deployment exists, its state and its logs, on Waybill's own pages. */
export const maySee = (identity: Identity | null, rule: AccessRule): boolean =>
  identity !== null && (mayDeploy(identity) || mayView(identity, rule));

function names(viewer: string, { name, groups }: Identity): boolean {
  if (viewer.startsWith("group:")) return groups.includes(viewer.slice("group:".length));
  return name === (viewer.startsWith("user:") ? viewer.slice("user:".length) : viewer);
}
