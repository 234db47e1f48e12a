import { WaybillError } from "../core/errors.ts";
import { makeRedaction } from "../engine/value/redaction.ts";
import type { Deployer } from "../release/deployer.ts";
import type { SecretReader, Workload } from "./workload.ts";

/** What is to be read of a workload, without the values of its secrets: a program that crashes may print them. */
export type Conceal = (text: string) => string;

export interface Concealment {
  /** Knows the secrets of all of these; null stands for none. */
  readonly of: (...workloads: readonly (Workload | null)[]) => Promise<Conceal>;
  /** Deploys as `deployer` does, and says what it says without secrets. */
  deployer(deployer: Deployer): Deployer;
}

const asItIs: Conceal = (text) => text;

export function makeConcealment(secrets: SecretReader): Concealment {
  async function conceal(...workloads: readonly (Workload | null)[]): Promise<Conceal> {
    const uses = workloads.flatMap((workload) => workload?.secrets.map((use) => ({ ...use, ...workload.stack })) ?? []);
    if (uses.length === 0) return asItIs;
    const redaction = makeRedaction();
    const learn = async ({ name, version, ...scope }: (typeof uses)[number]): Promise<void> => {
      // One whose value is erased is on nobody's lips any more.
      const value = await secrets.reveal(scope, name, version).catch(() => null);
      if (value !== null) redaction.learnText(value.reveal());
    };
    await Promise.all(uses.map(learn));
    return (text) => redaction.clean(text);
  }
  return {
    of: conceal,
    deployer: (deployer) => ({
      ...deployer,
      async apply(workload, options) {
        const clean = await conceal(workload, options.previous ?? null);
        if (clean === asItIs) return deployer.apply(workload, options);
        const onProgress: typeof options.onProgress = (progress) =>
          options.onProgress({ ...progress, message: clean(progress.message) });
        try {
          const { status, ...applied } = await deployer.apply(workload, { ...options, onProgress });
          return { ...applied, status: { ...status, reason: clean(status.reason) } };
        } catch (error) {
          throw concealed(error, clean);
        }
      },
    }),
  };
}

/** Without its cause, which may say the same. */
function concealed(error: unknown, clean: Conceal): unknown {
  if (!(error instanceof Error)) return error;
  const message = clean(error.message);
  if (!(error instanceof WaybillError)) return message === error.message ? error : new Error(message);
  const { code, retryAfterMs } = error;
  return new WaybillError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
}
