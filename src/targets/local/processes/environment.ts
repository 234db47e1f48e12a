import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, normalize, resolve, sep } from "node:path";
import { WaybillError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { makeRedaction } from "../../../engine/value/redaction.ts";
import type { SecretReader, SecretUse } from "../../workload.ts";
import { markerName, type InstanceFolder, type InstanceRecord, type InstanceSpec } from "./instance.ts";

/** Where programs are found: the server's own PATH, and the Node that runs the server behind it. */
export function searchPath(): string {
  const inherited = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
  const own = dirname(process.execPath);
  return inherited.split(delimiter).includes(own) ? inherited : `${inherited}${delimiter}${own}`;
}

/** What an environment is made for: an instance, or a run. */
export interface Subject extends Pick<InstanceRecord, "id" | "ports"> {
  readonly spec: Pick<InstanceSpec, "stack" | "source" | "workingDir" | "env" | "secrets">;
}

/** The folder that a program starts in; throws SOURCE_MISSING. `sourceFolder` answers null for a tree that is not kept. */
export function workingFolder({ spec }: Subject, sourceFolder: (key: string) => string | null): string {
  const { source, workingDir } = spec;
  const tree = sourceFolder(source);
  if (tree === null) throw new WaybillError("SOURCE_MISSING", `the files of tree ${source} are not kept any more`);
  const folder = resolve(join(tree, workingDir));
  const isInside = folder === tree || folder.startsWith(tree + sep);
  if (isInside && statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
  throw new WaybillError("SOURCE_MISSING", `workingDir "${workingDir}" is not a folder of the source`);
}

/** Where a program finds the path of a secret's file: `tls-ca` → `WAYBILL_SECRET_FILE_TLS_CA`. */
export const secretFileVariable = (name: string): string =>
  `WAYBILL_SECRET_FILE_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;

/**
 * Everything that a program finds in its environment: nothing is inherited from the server, whose own settings are no
 * business of a workload. Makes the private folders and writes the secret files.
 */
export function prepareEnvironment(
  record: Subject,
  folder: Pick<InstanceFolder, "private">,
  values: SecretValues,
): Readonly<Record<string, string>> {
  const { spec } = record;
  const home = join(folder.private, "home");
  const temporary = join(folder.private, "tmp");
  const secretFiles = join(folder.private, "secrets");
  rmSync(secretFiles, { recursive: true, force: true });
  for (const path of [home, temporary]) mkdirSync(path, { recursive: true, mode: 0o700 });
  return withoutNul({
    PATH: searchPath(),
    HOME: home,
    TMPDIR: temporary,
    LANG: "C.UTF-8",
    // Python keeps output in a buffer when it goes to a file: logs would come minutes late, or never after a crash.
    PYTHONUNBUFFERED: "1",
    ...spec.env,
    ...secretEnvironment(record, secretFiles, values),
    ...portEnvironment(record),
    WAYBILL_REPOSITORY: spec.stack.repository,
    WAYBILL_ENVIRONMENT: spec.stack.environment,
    WAYBILL_DEPLOYMENT: spec.stack.deployment,
    [markerName]: record.id,
  });
}

/** Node quotes the value when it refuses one, and it may be a secret's. */
function withoutNul(environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const [name] = Object.entries(environment).find(([, value]) => value.includes("\0")) ?? [];
  if (name === undefined) return environment;
  throw new WaybillError("REQUEST_INVALID", `the value of ${name} holds a NUL byte, which no program can be given`);
}

/** `PORT` is the main port; a further `port: 9000` of the file is found in `PORT_9000`. */
function portEnvironment({ ports }: Subject): Record<string, string> {
  const [main] = ports;
  return {
    ...(main && { PORT: String(main.actual) }),
    ...Object.fromEntries(ports.map(({ wanted, actual }) => [`PORT_${wanted}`, String(actual)])),
  };
}

/** By name. */
export type SecretValues = ReadonlyMap<string, Secret>;

export async function revealSecrets({ spec }: Subject, secrets: SecretReader): Promise<SecretValues> {
  const values = new Map<string, Secret>();
  for (const { name, version } of spec.secrets) {
    values.set(name, await secrets.reveal(spec.stack, name, version));
  }
  return values;
}

function secretEnvironment({ spec }: Subject, folder: string, values: SecretValues): Record<string, string> {
  const environment: Record<string, string> = {};
  if (spec.secrets.some(({ file }) => file !== undefined)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    environment["WAYBILL_SECRETS"] = folder;
  }
  for (const use of spec.secrets) {
    const value = values.get(use.name)?.reveal() ?? "";
    if (use.env !== undefined) environment[use.env] = value;
    if (use.file !== undefined) environment[secretFileVariable(use.name)] = writeSecretFile(folder, use, value);
  }
  return environment;
}

/** What a program prints of its secrets is its own affair; what Waybill repeats in a reason is not. */
export function redact(text: string, values: SecretValues): string {
  const redaction = makeRedaction();
  for (const secret of values.values()) redaction.learnText(secret.reveal().trim());
  return redaction.clean(text);
}

/** `/etc/ranker/ca.pem` becomes `FOLDER/etc/ranker/ca.pem`: the machine's own /etc is not a workload's to write. */
function writeSecretFile(folder: string, use: SecretUse, value: string): string {
  const path = join(folder, normalize(`/${use.file ?? use.name}`));
  if (path === folder || path === `${folder}/`) {
    throw new WaybillError("REQUEST_INVALID", `secret ${use.name}: "${use.file}" names no file; wanted is a path`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, value, { mode: 0o600 });
  chmodSync(path, 0o600);
  return path;
}
