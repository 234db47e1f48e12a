import type { DeploymentView } from "../../release/views.ts";
import { spawn } from "node:child_process";
import { answer, type CommandContext } from "../command.ts";
import { WaybillError } from "../../core/errors.ts";
import { deploymentPath, findDeployment, type Choice } from "../repository-choice.ts";
import { statusFields } from "./status.ts";

const saidOf = {
  pause: ({ name }: DeploymentView) =>
    `${name} is paused, and stays so through deploys until "waybill resume ${name}".`,
  resume: ({ name }: DeploymentView) => `${name} is resumed.`,
  restart: ({ name, state, pause }: DeploymentView) =>
    pause !== null || state === "paused"
      ? `${name} is paused: it starts anew when it is resumed.`
      : `${name} is started anew.`,
} as const;

/** Pause, resume or restart. */
export async function act(
  context: CommandContext,
  name: string,
  { what, note, ...choice }: Choice & { what: keyof typeof saidOf; note?: string },
): Promise<void> {
  const client = await context.connect();
  const found = await findDeployment(context, client, name, choice);
  const body = what === "pause" ? { reason: note ?? "" } : undefined;
  const { deployment } = await client.send<{ deployment: DeploymentView }>("POST", deploymentPath(found, what), body);
  answer(context, { deployment: statusFields(deployment) }, [saidOf[what](deployment)]);
}

/** Opens the deployment's address in a browser where there is one, and prints it. */
export async function openDeployment(context: CommandContext, name: string, choice: Choice): Promise<void> {
  const client = await context.connect();
  const { url, kind } = await findDeployment(context, client, name, choice);
  if (url === null) throw new WaybillError("NOT_FOUND", `${name} is a ${kind} and has no address`);
  answer(context, { url }, [url]);
  if (!context.json) openBrowser(context, url);
}

const openers: Partial<Record<NodeJS.Platform, string>> = { darwin: "open", linux: "xdg-open" };

function openBrowser({ terminal }: CommandContext, url: string): void {
  const opener = openers[process.platform];
  const hasScreen = process.platform === "darwin" || terminal.env["DISPLAY"] || terminal.env["WAYLAND_DISPLAY"];
  if (!opener || !hasScreen || !terminal.stdin.isTTY) return;
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  // The address is printed already: without a browser it is opened by hand.
  child.once("error", () => undefined);
  child.unref();
}
