import { createHash, createHmac } from "node:crypto";
import type { StackName } from "../../core/stack.ts";

// RFC 1123, section 2.1: what a namespace's name may hold.
const maxLabelLength = 63;
const hashLength = 10;

/**
 * The namespace of an environment: `REPOSITORY--ENVIRONMENT`, and where that is too long, cut, with a hash after a
 * second `--`. Names hold no `--` of their own, so no two environments share one, and none is a namespace of others.
 */
export function namespaceOf({ repository, environment }: Pick<StackName, "repository" | "environment">): string {
  return cut(`${repository}--${environment}`);
}

function cut(name: string): string {
  if (name.length <= maxLabelLength) return name;
  const kept = name.slice(0, maxLabelLength - hashLength - 2).replace(/-+$/, "");
  return `${kept}--${digest(name).slice(0, hashLength)}`;
}

/**
 * The name of what one component has in a namespace: `DEPLOYMENT-REVISION--COMPONENT`, cut like a namespace's where that
 * is too long. No deployment's own objects have a `--` in their names.
 */
export const componentName = (owner: string, component: string): string => cut(`${owner}--${component}`);

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Eight hex digits for all that makes a pod what it is: equal content, equal pods. */
export const revisionOf = (content: unknown): string => digest(JSON.stringify(content, inOrder)).slice(0, 8);

/** What was kept in the database comes back with its keys in another order. */
const inOrder = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

export const labels = {
  manager: "app.kubernetes.io/managed-by",
  repository: "waybill.dev/repository",
  environment: "waybill.dev/environment",
  deployment: "waybill.dev/deployment",
  revision: "waybill.dev/revision",
  component: "waybill.dev/component",
  job: "waybill.dev/job",
  run: "waybill.dev/run",
  schedule: "waybill.dev/schedule",
  attempt: "waybill.dev/attempt",
  server: "waybill.dev/server",
} as const;

export const manager = "waybill";

/** On objects only: pods with a further label would be other pods. */
export const serverLabel = (server: string): Readonly<Record<string, string>> => ({ [labels.server]: server });

/** Whether another server has made it. What was made before servers had names is nobody else's. */
export const isOfAnother = (found: Readonly<Record<string, string>> | undefined, server: string): boolean =>
  (found?.[labels.server] ?? server) !== server;

/** What identifies a server in the clusters that it shares with others: the same for all that have its key. */
export const serverIdentity = (masterKey: Uint8Array): string =>
  createHmac("sha256", masterKey).update("waybill server identity").digest("hex").slice(0, hashLength);

/** On everything of an environment. */
export const environmentLabels = ({ repository, environment }: Omit<StackName, "deployment">) => ({
  [labels.manager]: manager,
  [labels.repository]: repository,
  [labels.environment]: environment,
});

/** On everything of a deployment. */
export const deploymentLabels = (stack: StackName): Readonly<Record<string, string>> => ({
  ...environmentLabels(stack),
  [labels.deployment]: stack.deployment,
});

/** Whose an object is, by its labels; null for what is not a deployment's. */
export function stackOf(found: Readonly<Record<string, string>> | undefined): StackName | null {
  const repository = found?.[labels.repository];
  const environment = found?.[labels.environment];
  const deployment = found?.[labels.deployment];
  if (repository === undefined || environment === undefined || deployment === undefined) return null;
  return { repository, environment, deployment };
}
