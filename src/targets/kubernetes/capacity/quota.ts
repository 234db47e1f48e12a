import { ofComponent } from "../components.ts";
import type { Amounts, Capacity, PodShape, Quota } from "./capacity.ts";
import { quantityText } from "./amounts.ts";

/** Which quota or limit of their namespace keeps the shapes out; null: none. */
export function quotaShortage({ quotas, limitRanges }: Capacity, shapes: readonly PodShape[]): string | null {
  for (const { namespace, name, max } of limitRanges) {
    for (const shape of shapes) {
      if (shape.namespace !== namespace) continue;
      const [resource] = Object.keys(max).filter((each) => largest(shape, each) > (max[each] ?? 0));
      if (resource === undefined) continue;
      const allowed = `allows ${quantityText(resource, max[resource] ?? 0)} ${resource} for one container`;
      const wanted = `wanted ${quantityText(resource, largest(shape, resource))}`;
      return ofComponent(shape.component ?? null, `limit range ${namespace}/${name} ${allowed}, ${wanted}`);
    }
  }
  for (const { namespace, name, hard, used } of quotas) {
    const own = shapes.filter((shape) => shape.namespace === namespace);
    for (const [key, most] of Object.entries(hard)) {
      const wanted = counted(own, key);
      if (wanted === 0 || (used[key] ?? 0) + wanted <= most) continue;
      const resource = resourceOf(key);
      const inUse = `${quantityText(resource, used[key] ?? 0)} of ${quantityText(resource, most)} in use`;
      return `quota ${namespace}/${name} leaves too little ${key}: ${inUse}, ${quantityText(resource, wanted)} more wanted`;
    }
  }
  return null;
}

/** The same quotas as if these pods had gone. */
export function withoutUse(quotas: readonly Quota[], pods: readonly PodShape[]): readonly Quota[] {
  return quotas.map((quota) => {
    const own = pods.filter(({ namespace }) => namespace === quota.namespace);
    const left = Object.entries(quota.used).map(([key, used]) => [key, Math.max(0, used - counted(own, key))]);
    return { ...quota, used: Object.fromEntries(left) as Amounts };
  });
}

/** The same quotas as if these pods had come, too. */
export function withUse(quotas: readonly Quota[], pods: readonly PodShape[]): readonly Quota[] {
  return quotas.map((quota) => {
    const own = pods.filter(({ namespace }) => namespace === quota.namespace);
    const keys = new Set([...Object.keys(quota.used), ...Object.keys(quota.hard)]);
    const used = [...keys].map((key) => [key, (quota.used[key] ?? 0) + counted(own, key)]);
    return { ...quota, used: Object.fromEntries(used) as Amounts };
  });
}

/** The same quotas as if there were these pods and no others. */
export function usedOnlyBy(quotas: readonly Quota[], pods: readonly PodShape[]): readonly Quota[] {
  return quotas.map((quota) => {
    const own = pods.filter(({ namespace }) => namespace === quota.namespace);
    return { ...quota, used: Object.fromEntries(Object.keys(quota.hard).map((key) => [key, counted(own, key)])) };
  });
}

const largest = ({ requests, limits }: PodShape, resource: string): number =>
  Math.max(requests[resource] ?? 0, limits[resource] ?? 0);

const resourceOf = (key: string): string => key.replace(/^(?:requests|limits)\./, "");

/** How much of a quota the pods use. `cpu` alone means requests: https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
function counted(shapes: readonly PodShape[], key: string): number {
  if (key === "pods" || key === "count/pods") return shapes.length;
  const resource = resourceOf(key);
  return shapes.reduce((sum, shape) => {
    const amounts = key.startsWith("limits.") ? shape.limits : shape.requests;
    return sum + (amounts[resource] ?? 0);
  }, 0);
}
