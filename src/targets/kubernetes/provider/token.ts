import { WaybillError } from "../../../core/errors.ts";
import type { KindName } from "../cluster/object.ts";

/** Groups that every cluster has; any other comes by a CustomResourceDefinition or an aggregated API. */
export const isBuiltInGroup = (apiVersion: string): boolean => {
  const [group = "", version] = apiVersion.split("/");
  return version === undefined || !group.includes(".") || group.endsWith(".k8s.io");
};

// Modules of @pulumi/kubernetes that stand for no object: they are worked out by the upstream plugin itself.
const otherModules = ["yaml", "helm.sh", "kustomize"];

/**
 * The kind that a type token of @pulumi/kubernetes names: `kubernetes:core/v1:Pod`, `kubernetes:apps/v1:Deployment`,
 * `kubernetes:stable.example.com/v1:CronTab`. Throws PROGRAM_UNSUPPORTED for what is no object of its own.
 */
export function kindOf(type: string): KindName {
  const [, module = "", kind = ""] = type.split(":");
  if (otherModules.some((other) => module === other || module.startsWith(`${other}/`))) {
    throw unsupported(type, "declare the objects themselves");
  }
  const apiVersion = module.startsWith("core/") ? module.slice("core/".length) : module;
  if (isBuiltInGroup(apiVersion)) {
    if (kind.endsWith("Patch")) throw unsupported(type, `declare the whole object as ${kind.slice(0, -5)}`);
    if (kind.endsWith("List")) throw unsupported(type, `declare its items one by one as ${kind.slice(0, -4)}`);
  }
  return { apiVersion, kind };
}

const unsupported = (type: string, remedy: string): WaybillError =>
  new WaybillError("PROGRAM_UNSUPPORTED", `${type} is not served: ${remedy}`);
