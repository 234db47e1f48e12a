import type { EnvironmentView, SnapshotView } from "../../release/views.ts";
import { printable } from "../terminal.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath, type Client } from "../client.ts";
import { WaybillError } from "../../core/errors.ts";
import { chooseRepository } from "../repository-choice.ts";
import { snapshotFields } from "./history.ts";

export interface EnvironmentOptions {
  readonly repository?: string;
}

export interface RollbackOptions extends EnvironmentOptions {
  readonly to?: string;
  readonly only?: string;
  readonly note?: string;
}

export async function rollback(context: CommandContext, environment: string, options: RollbackOptions): Promise<void> {
  const { client, path } = await pathOf(context, environment, options, "rollback");
  const body = { to: snapshotNumber(options.to), only: options.only ?? null, note: options.note ?? "" };
  const { snapshot } = await client.send<{ snapshot: SnapshotView }>("POST", path, body);
  const what = snapshot.only === null ? environment : `${snapshot.only} in ${environment}`;
  answer(context, { snapshot: snapshotFields(snapshot) }, [
    `${what} goes back to commit ${snapshot.commit.slice(0, 10)}, as ${snapshot.tag}.`,
    `${environment} is on hold: new commits wait until "waybill release ${environment}".`,
    ...(snapshot.reason === "" ? [] : [`In the history: ${printable(snapshot.reason)}`]),
  ]);
}

/** `8`, or the tag `waybill/production/8`. */
function snapshotNumber(text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(/^(?:waybill\/[a-z0-9-]+\/)?(\d{1,9})$/.exec(text)?.[1]);
  if (number >= 1) return number;
  throw new WaybillError(
    "USAGE",
    `--to is ${JSON.stringify(text)}, not a snapshot's number: "waybill history" lists them`,
  );
}

export async function hold(
  context: CommandContext,
  environment: string,
  options: EnvironmentOptions & { note?: string },
): Promise<void> {
  const { client, path } = await pathOf(context, environment, options, "hold");
  const held = await client.send<{ environment: EnvironmentView }>("POST", path, { reason: options.note ?? "" });
  answer(context, held, [`${environment} is on hold: new commits wait until "waybill release ${environment}".`]);
}

export async function release(
  context: CommandContext,
  environment: string,
  options: EnvironmentOptions,
): Promise<void> {
  const { client, path } = await pathOf(context, environment, options, "release");
  const released = await client.send<{ environment: EnvironmentView }>("POST", path);
  answer(context, released, [
    `${environment} is released: it follows ${released.environment.branch ?? "what is promoted"} again.`,
  ]);
}

async function pathOf(
  context: CommandContext,
  environment: string,
  { repository: named }: EnvironmentOptions,
  act: string,
): Promise<{ client: Client; path: string }> {
  const client = await context.connect();
  const repository = await chooseRepository(client, context, named);
  return { client, path: apiPath(["repositories", repository, "environments", environment, act]) };
}
