import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { WaybillError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isAlive } from "../../targets/local/processes/process-table.ts";
import { statusOf } from "./client.ts";
import { gatewayLogFile, removeState, type GatewayState } from "./state-file.ts";

const patienceMs = 10_000;
const endTimeoutMs = 2_000;

/**
 * What becomes of a gateway that did not answer its control channel at first. One that answers neither there nor on its port
 * serves nobody, and is killed for another to take its place. One that serves is left alone: throws GATEWAY_UNAVAILABLE.
 */
export async function settleSilence(state: GatewayState, dataFolder: string, log: Log): Promise<void> {
  if (!isAlive(state)) return removeState(dataFolder, state.pid);
  const [status, serves] = await Promise.all([statusOf(state, patienceMs), servesRequests(state)]);
  if (status !== null) return;
  const { pid, port } = state;
  if (serves) {
    throw new WaybillError(
      "GATEWAY_UNAVAILABLE",
      `the gateway (process ${pid}) serves requests on port ${port}, but has not answered its control channel for ` +
        `${patienceMs / 1_000} s. It is left alone, for deployments answer through it; its log is ` +
        `${gatewayLogFile(dataFolder)}. Start again, or end process ${pid} first, to have another gateway started`,
    );
  }
  log.error({ pid, port, patienceMs }, "the gateway answers nobody; another takes its place");
  if (isAlive(state)) process.kill(pid, "SIGKILL");
  for (const endsAtMs = Date.now() + endTimeoutMs; isAlive(state) && Date.now() < endsAtMs;) await sleep(20);
  removeState(dataFolder, pid);
}

/** Any answer counts. */
function servesRequests({ host, port, origin }: GatewayState): Promise<boolean> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(patienceMs);
    const headers = { host: origin.domain };
    const asking = request({ host: host ?? "127.0.0.1", port, path: "/healthz", headers, agent: false, signal });
    asking.once("error", () => resolve(false));
    asking.once("response", (response) => {
      response.destroy();
      resolve(true);
    });
    asking.end();
  });
}
