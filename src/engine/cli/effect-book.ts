import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { PartialCreate, type CreateResult, type Properties } from "../provider.ts";
import type { SecretBox } from "../state.ts";

/** One creation that a provider is asked for. */
export interface Creation {
  readonly urn: string;
  readonly type: string;
  /** `URN::ID` of the provider resource, empty where it is not known. */
  readonly provider: string;
  readonly inputs: Properties;
}

/**
 * What one operation of the CLI began to create, on disk until the operation has ended well. The CLI takes a call that
 * breaks off for one that did nothing; after a crash of this process, this book alone knows better.
 */
export interface EffectBook {
  readonly createKey: string;
  /** The process that carries the operation out. */
  carriedBy(pid: number, at: Date): void;
  during(creation: Creation, make: () => Promise<CreateResult>): Promise<CreateResult>;
  /** Nothing more is written: what ends later belongs to no operation. */
  stop(): void;
  /** The operation ended, and the CLI has stored what came of it. */
  close(): void;
}

/** What an interrupted operation left. */
export interface Interrupted {
  readonly createKey: string;
  readonly process: { readonly pid: number; readonly at: Date } | null;
  /** `id`: what came of it, undefined where nobody knows. */
  readonly creations: readonly (Creation & { readonly id: string | undefined })[];
}

type Line =
  | { readonly kind: "operation"; readonly createKey: string }
  | { readonly kind: "process"; readonly pid: number; readonly at: string }
  | { readonly kind: "begin"; readonly at: number; readonly creation: string }
  | { readonly kind: "end"; readonly at: number; readonly id: string | null };

export interface BookParts {
  readonly file: string;
  readonly scope: string;
  readonly secrets: SecretBox;
}

export function openEffectBook({ file, scope, secrets }: BookParts, createKey: string): EffectBook {
  let begun = 0;
  let isOpen = true;
  const write = (line: Line): void => {
    if (isOpen) appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
  };
  const stop = (): void => {
    isOpen = false;
  };
  writeFileSync(file, "", { mode: 0o600 });
  write({ kind: "operation", createKey });
  return {
    createKey,
    carriedBy: (pid, at) => write({ kind: "process", pid, at: at.toISOString() }),
    during: async (creation, make) => {
      const at = begun++;
      write({ kind: "begin", at, creation: secrets.encrypt(JSON.stringify(creation), scope) });
      try {
        const made = await make();
        write({ kind: "end", at, id: made.id });
        return made;
      } catch (error) {
        // By contract nothing is left behind by any other error.
        write({ kind: "end", at, id: error instanceof PartialCreate ? error.id : null });
        throw error;
      }
    },
    stop,
    close: () => {
      stop();
      rmSync(file, { force: true });
    },
  };
}

/** Null: the last operation ended, or there was none. */
export function readInterrupted({ file, scope, secrets }: BookParts): Interrupted | null {
  if (!existsSync(file)) return null;
  const lines = readFileSync(file, "utf8").split("\n").flatMap(parsed);
  const ends = new Map(lines.flatMap((line) => (line.kind === "end" ? [[line.at, line.id] as const] : [])));
  const creations = lines.flatMap((line) => {
    if (line.kind !== "begin" || ends.get(line.at) === null) return [];
    const creation = JSON.parse(secrets.decrypt(line.creation, scope)) as Creation;
    return [{ ...creation, id: ends.get(line.at) ?? undefined }];
  });
  const first = lines.find((line) => line.kind === "operation");
  const last = lines.findLast((line) => line.kind === "process");
  return {
    createKey: first?.createKey ?? "",
    process: last ? { pid: last.pid, at: new Date(last.at) } : null,
    creations,
  };
}

/** The last line of a process that was killed may be half a line: what it announced was not begun. */
function parsed(text: string): readonly Line[] {
  try {
    return [JSON.parse(text) as Line];
  } catch {
    return [];
  }
}
