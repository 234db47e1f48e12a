import type { Selectable } from "kysely";
import type { DeployStep, RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import type { DeployStepsTable } from "../release/tables.ts";
import { matching } from "../stacks.ts";

export function deployStepQueries(db: Database) {
  return {
    async deployStep(stack, phase) {
      const row = await db
        .selectFrom("deploy_steps")
        .selectAll()
        .where(matching(stack))
        .where("phase", "=", phase)
        .executeTakeFirst();
      return row ? stepOf(row) : null;
    },
    async saveDeployStep({ stack: { repository, environment, deployment }, phase, ...values }) {
      await db
        .insertInto("deploy_steps")
        .values({ repository, environment, deployment, phase, ...values })
        .onConflict((conflict) =>
          conflict.columns(["repository", "environment", "deployment", "phase"]).doUpdateSet(values),
        )
        .execute();
    },
    async endDeployStep(run, end) {
      await db.updateTable("deploy_steps").set(end).where("run", "=", run).execute();
    },
    async runningDeploySteps() {
      const rows = await db.selectFrom("deploy_steps").selectAll().where("state", "=", "running").execute();
      return rows.map(stepOf);
    },
  } satisfies Partial<RunStore>;
}

const stepOf = ({ repository, environment, deployment, ...step }: Selectable<DeployStepsTable>): DeployStep => ({
  ...step,
  stack: { repository, environment, deployment },
});
