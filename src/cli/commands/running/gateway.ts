import type { CommandContext } from "../../command.ts";
import { serveOptions, type ServeFlags } from "./serve.ts";

/** A gateway alone, in this process. Its log goes to standard output. */
export async function runGateway(context: CommandContext, flags: ServeFlags): Promise<void> {
  const { prepareGateway } = await import("../../../server/replicas/gateway.ts");
  prepareGateway(serveOptions(context, flags), process.env);
  const { ended } = await import("../../../serve-gateway.ts");
  await ended;
}
