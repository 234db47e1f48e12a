import type { StackName } from "../../core/stack.ts";
import type { PodShape } from "../../targets/kubernetes/capacity/capacity.ts";
import type { LineBook } from "../../targets/kubernetes/rollout/line-keeper.ts";
import type { Database } from "../database.ts";
import { matching } from "../stacks.ts";

export interface RolloutSchema {
  rollout_line: LineRow;
}

interface LineRow extends StackName {
  target: string;
  since: Date;
  shapes: string;
}

/** Who waits for room on one target. */
export function makeLineBook(db: Database, target: string): LineBook {
  return {
    async list() {
      const rows = await db
        .selectFrom("rollout_line")
        .selectAll()
        .where("target", "=", target)
        .orderBy("since")
        .execute();
      return rows.map(({ repository, environment, deployment, since, shapes }) => ({
        stack: { repository, environment, deployment },
        since,
        // Of JSON the driver makes values.
        shapes: shapes as unknown as readonly PodShape[],
      }));
    },
    async note({ stack, since, shapes }) {
      const { repository, environment, deployment } = stack;
      const values = { since, shapes: JSON.stringify(shapes) };
      await db
        .insertInto("rollout_line")
        .values({ target, repository, environment, deployment, ...values })
        .onConflict((conflict) =>
          conflict.columns(["target", "repository", "environment", "deployment"]).doUpdateSet(values),
        )
        .execute();
    },
    async drop(stack) {
      await db.deleteFrom("rollout_line").where("target", "=", target).where(matching(stack)).execute();
    },
  };
}
