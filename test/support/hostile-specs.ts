// Files that are written to hurt. Run by itself, with --expose-gc, it checks each and prints what that took.
import { fileURLToPath } from "node:url";
import { defaultContext } from "../../src/spec/context.ts";
import { processorTimer } from "./processor-time.ts";
import { checkRepository } from "../../src/spec/repository.ts";

interface HostileSpec {
  readonly build: () => string | Uint8Array;
  /** The code of the first problem; undefined where the file is odd, but right. */
  readonly code: string | undefined;
}

const head = "apiVersion: waybill/v1\nkind: service\ncommand: a\n";
const job = "apiVersion: waybill/v1\nkind: job\ncommand: a\n";
const mib = 2 ** 20;

/** `count` times what `part` makes of the index. */
function repeated(count: number, part: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => part(index)).join("");
}

function fill(part: string, bytes = mib - 1000): string {
  return part.repeat(Math.floor(bytes / part.length));
}

function aliasBomb(levels: number): string {
  return `${head}tags:\n  l0: &l0 [a, a, a, a, a, a, a, a, a]\n${repeated(
    levels,
    (level) => `  l${level + 1}: &l${level + 1} [${fill(`*l${level}, `, 60)}*l${level}]\n`,
  )}`;
}

export const hostileSpecs: Readonly<Record<string, HostileSpec>> = {
  "alias bomb": { build: () => aliasBomb(12), code: "YAML_TOO_MANY_VALUES" },
  "aliases without end": { build: () => `${head}tags: &a {b: *a}\n`, code: "YAML_ALIAS" },
  "many aliases of a large value": {
    build: () =>
      `${head}env: &env {${repeated(900, (index) => `V${index}: x, `)}Z: y}\nfiles: [${fill("*env, ", 60_000)}*env]\n`,
    code: "YAML_TOO_MANY_VALUES",
  },
  "many anchors": {
    build: () => `${head}requiredEnv: [${repeated(20_000, (index) => `&a${index} A${index}, *a${index}, `)}Z]\n`,
    code: "YAML_TOO_MANY_VALUES",
  },
  "50,000 flow lists": { build: () => `a: ${"[".repeat(50_000)}${"]".repeat(50_000)}\n`, code: "YAML_TOO_DEEP" },
  "50,000 open flow lists": { build: () => "[".repeat(50_000), code: "YAML_TOO_DEEP" },
  "50,000 flow maps": { build: () => "{a: ".repeat(50_000), code: "YAML_TOO_DEEP" },
  "50,000 block lists": { build: () => `${"- ".repeat(50_000)}a\n`, code: "YAML_TOO_DEEP" },
  "50,000 explicit keys": { build: () => `${"? ".repeat(50_000)}a\n`, code: "YAML_TOO_DEEP" },
  "deep by indentation": { build: () => repeated(1400, (depth) => `${" ".repeat(depth)}a:\n`), code: "YAML_TOO_DEEP" },
  "deep by aliases": {
    build: () =>
      `${head}tags:\n  l0: &l0 [a]\n${repeated(100, (level) => `  l${level + 1}: &l${level + 1} [*l${level}]\n`)}`,
    code: "YAML_TOO_DEEP",
  },
  "100 MB": { build: () => new Uint8Array(100 * mib).fill(97), code: "FILE_TOO_LARGE" },
  "a map of 1,000,000 keys": { build: () => repeated(1_000_000, (index) => `k${index}: 1\n`), code: "FILE_TOO_LARGE" },
  "as many keys as fit": {
    build: () => head + repeated(100_000, (index) => `k${index}: 1\n`).slice(0, mib - 100),
    code: "FILE_TOO_LARGE",
  },
  "9,000 unknown keys": {
    build: () => head + repeated(9000, (index) => `comand${index}: 1\n`),
    code: "FIELD_UNKNOWN",
  },
  "9,000 variables": {
    build: () => `${head}env:\n${repeated(9000, (index) => `  V${index}: 1\n`)}`,
    code: undefined,
  },
  "9,000 wrong variables": {
    build: () => `${head}env:\n${repeated(9000, (index) => `  V ${index}: []\n`)}`,
    code: "FIELD_VALUE",
  },
  "one key 100,000 times": { build: () => head + fill("command: a\n"), code: "FILE_TOO_LARGE" },
  "one key 9,000 times": { build: () => head + "command: a\n".repeat(9000), code: "KEY_DUPLICATE" },
  "1 MiB of commas": { build: () => `a: [${fill(",")}]`, code: "YAML_TOO_MANY_VALUES" },
  "1 MiB of colons": { build: () => fill(":"), code: "YAML_INVALID" },
  "1 MiB of colons and spaces": { build: () => fill(": "), code: "YAML_TOO_DEEP" },
  "1 MiB of quotes": { build: () => fill('"'), code: "YAML_TOO_MANY_VALUES" },
  "1 MiB of single quotes": { build: () => `a: ${fill("'")}`, code: "FIELD_MISSING" },
  "1 MiB of empty lines": { build: () => fill("\n"), code: "FILE_TOO_LARGE" },
  "1 MiB of spaces": { build: () => fill(" "), code: "FILE_EMPTY" },
  "1 MiB of spaces and line ends": { build: () => fill(" \n"), code: "FILE_TOO_LARGE" },
  "1 MiB of comments": { build: () => fill("#\n"), code: "FILE_TOO_LARGE" },
  "1 MiB of documents": { build: () => fill("---\n"), code: "FILE_TOO_LARGE" },
  "1 MiB of anchors": { build: () => fill("&a "), code: "YAML_TOO_MANY_VALUES" },
  "1 MiB of tags": { build: () => fill("!a "), code: "YAML_TOO_MANY_VALUES" },
  "1 MiB of percent signs": { build: () => fill("%a\n"), code: "FILE_TOO_LARGE" },
  "1 MiB of brackets that close": { build: () => fill("]"), code: "YAML_INVALID" },
  "1 MiB of tabs": { build: () => `a:\n${fill("\t")}b: c\n`, code: "YAML_TAB" },
  "1 MiB of carriage returns": { build: () => fill("\r"), code: "FIELD_TYPE" },
  "1 MiB in one value": { build: () => `${head}description: ${fill("a")}\n`, code: "FIELD_VALUE" },
  "1 MiB of words in one value": { build: () => `${head}build: ${fill("a ")}\n`, code: "FIELD_VALUE" },
  "1 MiB of lines in one value": { build: () => `${head}build: a\n${fill("  b\n")}`, code: "FILE_TOO_LARGE" },
  "1 MiB of literal text": { build: () => `${head}files: {}\nbuild: |\n${fill("  b\n")}`, code: "FILE_TOO_LARGE" },
  "1 MiB of escapes": { build: () => `${head}build: "${fill("\\n")}"\n`, code: "FIELD_VALUE" },
  "invalid UTF-8": {
    build: () => Buffer.concat([Buffer.from(head), Buffer.alloc(mib / 2, 0xff)]),
    code: "TEXT_NOT_UTF8",
  },
  "invalid UTF-8 at the end": {
    build: () => Buffer.concat([Buffer.alloc(mib - 1, 0x23), Buffer.from([0xe2])]),
    code: "TEXT_NOT_UTF8",
  },
  NUL: { build: () => Buffer.alloc(mib), code: "TEXT_CONTROL_CHARACTER" },
  tabs: { build: () => `${head}env:\n\tA: b\n`, code: "YAML_TAB" },
  "duplicate keys": { build: () => `${head}command: b\n`, code: "KEY_DUPLICATE" },
  ["__proto__"]: { build: () => `${head}env: {__proto__: {polluted: yes}}\n`, code: "KEY_FORBIDDEN" },
  "merge keys": { build: () => `${head}env: &e {A: b}\ntags: {<<: *e}\n`, code: "YAML_MERGE_KEY" },
  "a backtracking pattern": {
    build: () =>
      `${job}parameters:\n  schema: {properties: {a: {pattern: "^(a+)+$"}}}\n  values: {a: "${"a".repeat(50_000)}!"}\n`,
    code: "PARAMETER_INVALID",
  },
  "a parameter schema that refers to itself": {
    build: () => `${job}parameters: {schema: {$ref: "#"}}\n`,
    code: "PARAMETER_SCHEMA",
  },
  "a large parameter schema": {
    build: () => `${job}parameters: {schema: {allOf: [${fill("{type: object}, ", 60_000)}{}]}}\n`,
    code: "PARAMETER_SCHEMA",
  },
  "an rrule that never fires": {
    build: () => `${job}schedules: [{name: a, rrule: "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30"}]\n`,
    code: "RRULE_INVALID",
  },
  "a cron expression that never fires": {
    build: () => `${job}schedules: [{name: a, cron: "0 0 31 2 *"}]\n`,
    code: "CRON_INVALID",
  },
  "5,000 schedules": {
    build: () =>
      `${job}schedules:\n${repeated(5000, (index) => `  - {name: a${index}, cron: "0 0 31 2 ${index % 7}"}\n`)}`,
    code: "FIELD_VALUE",
  },
  "5,000 environments": {
    build: () => `${head}environments:\n${repeated(5000, (index) => `  e${index}: {port: 1}\n`)}`,
    code: "FIELD_VALUE",
  },
  "environments with everything": {
    build: () =>
      `${head}env: {${repeated(5000, (index) => `V${index}: a, `)}Z: a}\nenvironments:\n${repeated(50, (index) => `  e${index}: {state: paused}\n`)}`,
    code: undefined,
  },
  "problems in every environment": {
    build: () =>
      `${head}requiredEnv: [${repeated(1000, (index) => `V${index}, `)}Z]\nenvironments:\n${repeated(50, (index) => `  e${index}: {size: x${index}, routes: [${repeated(50, () => "{subdomain: a}, ")}]}\n`)}`,
    code: "SIZE_UNKNOWN",
  },
};

export interface HostileResult {
  readonly name: string;
  readonly codes: readonly string[];
  /** Of processor time. */
  readonly milliseconds: number;
  /** How far the process grew over what it had before. */
  readonly grownMib: number;
}

function measure(name: string, { build }: HostileSpec): HostileResult {
  const built = build();
  const bytes = typeof built === "string" ? Buffer.from(built) : built;
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const processorMs = processorTimer();
  const { problems } = checkRepository([{ path: "deployments/hostile.yaml", bytes }], defaultContext);
  const milliseconds = processorMs();
  // maxRSS is of the whole process so far, in KiB: an upper bound for this one.
  const grownMib = Math.max(0, process.resourceUsage().maxRSS / 1024 - before / mib);
  return { name, codes: problems.map(({ code }) => code), milliseconds, grownMib };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkRepository([{ path: "deployments/warm.yaml", bytes: Buffer.from(`${head}port: x\n`) }], defaultContext);
  const only = process.argv[2];
  for (const [name, spec] of Object.entries(hostileSpecs)) {
    if (only === undefined || only === name) console.log(JSON.stringify(measure(name, spec)));
  }
}
