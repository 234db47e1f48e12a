import type { StackName } from "../../core/stack.ts";
import type { Engine } from "../../engine/engine.ts";
import type { ResourceState, UntypedDeployment } from "../../engine/state.ts";
import type { Deployer } from "../../release/deployer.ts";
import type { Foundations } from "./foundations.ts";
import type { Target } from "../target.ts";

/** What others changed of what stacks have made. */
export interface Drifts {
  /** Those of the stack's resources that can be put back now, by their URNs, and the reason to note for that. */
  changed(stack: StackName): { readonly urns: ReadonlySet<string>; readonly reason: string };
  /** Takes away what others put in the place of the stack's own: all of it, or what no apply can be merged with. */
  makeRoom(stack: StackName, options: { readonly restore: boolean; readonly signal: AbortSignal }): Promise<void>;
  /** Something was applied for the stack, or removed: what was seen of it may be over. */
  look(stack: StackName): void;
}

interface Dependencies {
  readonly deployer: Deployer;
  readonly engine: Pick<Engine, "export" | "import">;
  readonly target: Pick<Target, "foundation">;
  readonly foundations: Pick<Foundations, "forget">;
  readonly drifts: Drifts;
}

/**
 * Deploys as `deployer` does; where it is asked to restore, resources that others changed are applied although unchanged.
 * What they changed so that nothing can be applied over it gives way to any apply.
 */
export function makeRestoringDeployer({ deployer, engine, target, foundations, drifts }: Dependencies): Deployer {
  async function mark(stack: StackName): Promise<void> {
    const { urns, reason } = drifts.changed(stack);
    // As the CLI has sealed them, its own import takes secrets, and ours does not.
    const state = urns.size === 0 ? null : await engine.export(stack, { showSecrets: true });
    if (state !== null) await engine.import(stack, marked(state, urns, reason));
  }
  return {
    ...deployer,
    async apply(workload, options) {
      const { stack } = workload;
      const foundation = target.foundation?.(workload)?.stack ?? null;
      if (options.restore) {
        await mark(stack);
        if (foundation) await mark(foundation);
        if (foundation) foundations.forget(foundation);
      }
      const { signal, restore = false } = options;
      for (const each of foundation ? [stack, foundation] : [stack]) await drifts.makeRoom(each, { signal, restore });
      try {
        return await deployer.apply(workload, options);
      } finally {
        drifts.look(stack);
        if (foundation && options.restore) drifts.look(foundation);
      }
    },
    async remove(stack, options) {
      await deployer.remove(stack, options);
      drifts.look(stack);
    },
  };
}

/** An apply updates what its state says was not finished, whether or not anything changed since. */
function marked(state: UntypedDeployment, urns: ReadonlySet<string>, reason: string): UntypedDeployment {
  const { resources = [] } = state.deployment;
  const mark = (resource: ResourceState): ResourceState =>
    urns.has(resource.urn) && resource.delete !== true ? { ...resource, initErrors: [reason] } : resource;
  return { ...state, deployment: { ...state.deployment, resources: resources.map(mark) } };
}
