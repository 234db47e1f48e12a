import assert from "node:assert/strict";
import type { UntypedDeployment } from "../../src/engine/state.ts";

/**
 * What `pulumi stack import` demands of a deployment: what a resource refers to stands before it, a provider is there
 * with that very id, and a URN has one resource that is not about to be deleted.
 */
export function assertIntegrity({ deployment }: UntypedDeployment): void {
  const before = new Set<string>();
  const references = new Set<string>();
  const live = new Set<string>();
  for (const resource of deployment.resources ?? []) {
    const { urn, id, parent, provider, dependencies = [], propertyDependencies = {} } = resource;
    const needed = [...(parent === undefined ? [] : [parent]), ...dependencies];
    for (const urns of Object.values(propertyDependencies)) needed.push(...(urns ?? []));
    for (const other of needed) assert.ok(before.has(other), `${urn} needs ${other}, which does not stand before it`);
    if (provider !== undefined)
      assert.ok(references.has(provider), `${urn} is made by ${provider}, which is not there`);
    if (resource.delete !== true) {
      assert.ok(!live.has(urn), `${urn} is there twice`);
      live.add(urn);
    }
    assert.equal(resource.custom, id !== undefined, `${urn} is custom and has an id, or neither`);
    before.add(urn);
    references.add(`${urn}::${id}`);
  }
}
