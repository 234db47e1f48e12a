import assert from "node:assert/strict";
import { programsBelow, service, startServed, until, webProgram, type Clone, type Served } from "./served.ts";

/** The served product on one target, as the behaviours that every target shares see it. */
export interface TargetWorld {
  readonly served: Served;
  readonly shop: Clone;
  /** Whether logs of what ended can still be read. */
  readonly keepsLogs: boolean;
  /** How many of the deployment's programs run at this moment. */
  running(name: string): Promise<number>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Programs as processes of this machine. Each deployment's files lie in a folder of its name. */
export async function localWorld(env: Record<string, string> = {}): Promise<TargetWorld> {
  const served = await startServed({ env });
  await served.start();
  return {
    served,
    keepsLogs: true,
    shop: await served.clone("shop"),
    running: async (name) =>
      (await programsBelow(served.data)).filter(({ command }) => command === `node main.js ${name}`).length,
    start: () => served.start(),
    close: () => served.close(),
  };
}

export interface Row {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly snapshot: string;
}

export async function statusOf({ served }: TargetWorld, name: string): Promise<Row> {
  const { deployments } = (await served.json(["status"])) as { deployments: readonly Row[] };
  const row = deployments.find((one) => one.name === name);
  assert.ok(row, `status has no ${name}`);
  return row;
}

// A cluster that shares two cores with its tests takes a minute for what else takes seconds.
const stateLimitMs = 90_000;

export async function untilState(world: TargetWorld, name: string, state: string): Promise<void> {
  let seen: Row | undefined;
  try {
    await until(
      `${name} is ${state}`,
      async () => {
        seen = await statusOf(world, name);
        return seen.state === state;
      },
      stateLimitMs,
    );
  } catch (error) {
    throw new Error(`${name} is not ${state}, but ${JSON.stringify(seen)}`, { cause: error });
  }
}

/** Pushes a deployment whose program answers `text`. */
export async function deploy(
  world: TargetWorld,
  name: string,
  given: { text: string; more?: string },
): Promise<string> {
  const yaml = service(name, given.more).replace("node main.js", `node main.js ${name}`);
  const { exitCode, stderr } = await world.shop.push({
    [`deployments/${name}.yaml`]: yaml,
    [`${name}/main.js`]: webProgram(given.text),
  });
  assert.equal(exitCode, 0, stderr);
  return stderr;
}

export async function textLines({ served }: TargetWorld, name: string): Promise<readonly string[]> {
  const { status, out, err } = await served.cli(["logs", name, "--lines", "1000"]);
  assert.equal(status, 0, err);
  return out.split("\n");
}

/** How often the deployment's program said that it listens. */
export const startsOf = async (world: TargetWorld, name: string): Promise<number> =>
  (await textLines(world, name)).filter((line) => line.endsWith("listening")).length;
