import { WaybillError, type ErrorCode } from "../../core/errors.ts";
import type { StackName } from "../../core/stack.ts";
import type { Engine } from "../../engine/engine.ts";
import type { EngineEvent } from "../../engine/step.ts";
import type { Preview } from "../../release/deployer.ts";
import type { TargetPreview } from "../target.ts";

interface Asking extends TargetPreview {
  readonly stack: StackName;
  readonly signal: AbortSignal;
}

/** Said of an object as it is: an apply would be told the same. */
const refusing = new Set<ErrorCode>(["CLUSTER_REFUSED", "CLUSTER_FORBIDDEN", "RESOURCE_INVALID"]);
// A quota has room again when others leave, and a webhook that answers no dry run may answer an apply.
const mayPass = /exceeded quota|does not support dry run/;

/** What applying a program would change. Rejects when the target cannot be asked. */
export async function previewProgram(
  engine: Pick<Engine, "preview">,
  { stack, program, objects, signal }: Asking,
): Promise<Preview> {
  const said = new Set<string>();
  const onEvent = (event: EngineEvent): void => {
    if (event.type === "step-progress" && event.message.trim() !== "") said.add(event.message);
  };
  try {
    const { steps } = await engine.preview(stack, program, { signal, onEvent });
    return { objects: objects(steps), notices: [...said], refusal: null };
  } catch (error) {
    if (!(error instanceof WaybillError) || !refusing.has(error.code)) throw error;
    const { message } = error;
    if (mayPass.test(message)) return { objects: [], notices: [...said, message], refusal: null };
    return { objects: [], notices: [...said], refusal: message };
  }
}
