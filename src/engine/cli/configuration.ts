import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { StackName } from "../../core/stack.ts";
import type { ProgramOptions } from "../engine.ts";
import { scopeOf } from "../state.ts";
import type { CommandOptions } from "./process/command.ts";
import type { CliParts } from "./parts.ts";
import { commandFailed, stackNotFoundStatus } from "./process/stack-commands.ts";

type Configuration = Required<Pick<ProgramOptions, "config" | "secretConfig">>;
const empty: Configuration = { config: {}, secretConfig: [] };

/** Hands the stack's configuration to the CLI, for default providers; the program has it from this process. */
export async function configure(parts: CliParts, stack: StackName, options: ProgramOptions): Promise<void> {
  const { config = {}, secretConfig = [] } = options;
  const wanted: Configuration = { config, secretConfig: secretConfig.toSorted() };
  const file = parts.commands.folder(stack).configFile;
  const scope = scopeOf(stack);
  const known = existsSync(file)
    ? (JSON.parse(parts.secrets.decrypt(readFileSync(file, "utf8"), scope)) as Configuration)
    : empty;
  if (JSON.stringify(known) === JSON.stringify(wanted)) return;
  for (const { args, stdin = "" } of changes(known, wanted)) await run(parts, stack, args, { stdin });
  writeFileSync(file, parts.secrets.encrypt(JSON.stringify(wanted), scope), { mode: 0o600 });
}

interface Change {
  readonly args: readonly string[];
  readonly stdin?: string;
}

function changes(known: Configuration, { config, secretConfig }: Configuration): readonly Change[] {
  const gone = Object.keys(known.config).filter((key) => !Object.hasOwn(config, key));
  const plain = Object.entries(config).filter(([key]) => !secretConfig.includes(key));
  const pairs = plain.flatMap(([key, value]) => ["--plaintext", `${key}=${value}`]);
  // A secret on a command line is one that every process of the machine may read.
  const secret = secretConfig.flatMap((key): readonly Change[] => {
    const value = config[key];
    return value === undefined ? [] : [{ args: ["config", "set", key, "--secret"], stdin: value }];
  });
  return [
    ...(gone.length > 0 ? [{ args: ["config", "rm-all", ...gone] }] : []),
    ...(pairs.length > 0 ? [{ args: ["config", "set-all", ...pairs] }] : []),
    ...secret,
  ];
}

async function run(
  { commands }: CliParts,
  stack: StackName,
  args: readonly string[],
  options: Partial<CommandOptions>,
) {
  const first = await commands.run(stack, args, options);
  if (first.status === 0) return;
  if (first.status !== stackNotFoundStatus) throw commandFailed(stack, args.slice(0, 2), first);
  await commands.create(stack);
  const second = await commands.run(stack, args, options);
  if (second.status !== 0) throw commandFailed(stack, args.slice(0, 2), second);
}
