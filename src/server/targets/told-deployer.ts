import type { StackName } from "../../core/stack.ts";
import type { News } from "../../gateway/control/client.ts";
import type { Deployer } from "../../release/deployer.ts";
import type { RouteStore } from "../../store/routes.ts";

interface ToldDeployerParts {
  readonly deployer: Deployer;
  readonly routes: Pick<RouteStore, "list">;
  readonly gateway: News;
}

/** A deploy is over when its routes are in force: gateways hear of them by the database, which may take its time. */
export function makeToldDeployer({ deployer, routes, gateway }: ToldDeployerParts): Deployer {
  const tell = async (stack: StackName): Promise<void> => {
    const known = await routes.list(stack);
    await gateway.told(
      stack,
      known.map(({ host }) => host),
    );
  };
  return {
    ...deployer,
    async apply(workload, options) {
      const applied = await deployer.apply(workload, options);
      await tell(workload.stack);
      return applied;
    },
    async remove(stack, options) {
      await deployer.remove(stack, options);
      await tell(stack);
    },
  };
}
