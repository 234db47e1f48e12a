import type { CustomSize, WorkloadFields } from "../deployment.ts";
import type { Path } from "../problem.ts";
import { formatPath } from "../problem.ts";
import type { Drafted, Inspection } from "./draft.ts";
import { didYouMean } from "./nearest.ts";
import { parseBytes, parseCpu } from "./quantities.ts";

type Workload = Drafted<WorkloadFields>;

/** What a schema cannot say about the fields of a program, which stand at `path`. */
export function checkWorkload(inspection: Inspection, workload: Workload, path: Path): void {
  checkSource(inspection, workload, path);
  checkSize(inspection, workload.size, [...path, "size"]);
  checkVariables(inspection, workload, path);
  checkFiles(inspection, workload, path);
}

const digest = /^[^@\s]+@sha256:[0-9a-f]{64}$/;

function checkSource({ report }: Inspection, workload: Workload, path: Path): void {
  const { source, workingDir } = workload;
  const at = [...path, "source"];
  if (source?.image !== undefined && !digest.test(source.image)) {
    const message =
      `image ${JSON.stringify(source.image.slice(0, 200))} can move: ` +
      `name it with its digest, such as python@sha256:<64 hex digits>`;
    report([...at, "image"], "IMAGE_NOT_PINNED", message);
  }
  if (source?.path !== undefined) checkInside(report, source.path, [...at, "path"]);
  if (source?.git?.url !== undefined) checkUrl(report, source.git.url, [...at, "git", "url"]);
  if (workingDir !== undefined && !(source?.image !== undefined && workingDir.startsWith("/"))) {
    checkInside(report, workingDir, [...path, "workingDir"]);
  }
}

/** A path below the folder that it starts at, on every system. */
export function checkInside(
  report: Inspection["report"],
  path: string,
  at: Path,
  kind: "key" | "value" = "value",
): void {
  const label = formatPath(at.slice(0, at.length - (kind === "key" ? 1 : 0)));
  const isAbsolute = path.startsWith("/") || /^[A-Za-z]:/.test(path);
  const hasBackslash = path.includes("\\");
  if (!isAbsolute && !hasBackslash && !path.split("/").includes("..")) return;
  const why = isAbsolute ? "is absolute" : hasBackslash ? "holds a backslash" : "leaves the repository";
  report(at, "PATH_OUTSIDE", `${label} ${JSON.stringify(path.slice(0, 200))} ${why}: use a path below it with /`, kind);
}

const scpLike = /^[A-Za-z0-9][\w.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:(?!\/\/)[^\s:-][^\s]*$/;

function checkUrl(report: Inspection["report"], url: string, at: Path): void {
  if (scpLike.test(url)) return;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isFetched = parsed !== undefined && (parsed.protocol === "https:" || parsed.protocol === "ssh:");
  if (!isFetched) {
    report(
      at,
      "URL_INVALID",
      `${formatPath(at)} is not an address to fetch from: use https://, ssh:// or user@host:path`,
    );
  } else if (parsed.password !== "" || (parsed.protocol === "https:" && parsed.username !== "")) {
    // The address itself is not repeated: it holds a secret.
    report(at, "URL_INVALID", `${formatPath(at)} holds a user or a password: keep it in a secret of the server`);
  }
}

function checkSize(inspection: Inspection, size: Workload["size"], at: Path): void {
  if (typeof size !== "string") return size === undefined ? undefined : checkCustomSize(inspection, size, at);
  const { sizes } = inspection.context;
  if (Object.hasOwn(sizes, size)) return;
  const known = Object.keys(sizes);
  const hint = didYouMean(size, known) || ` It has ${known.join(", ")}.`;
  const message = `size ${JSON.stringify(size.slice(0, 80))} is not in this server's catalogue.${hint}`;
  inspection.report(at, "SIZE_UNKNOWN", message);
}

function checkCustomSize({ report }: Inspection, size: Drafted<CustomSize>, at: Path): void {
  if (size.cpu !== undefined && parseCpu(size.cpu) === undefined) {
    report([...at, "cpu"], "QUANTITY_INVALID", `cpu ${size.cpu} is less than a thousandth of a core, or none at all`);
  }
  for (const name of ["memory", "disk"] as const) {
    const amount = size[name];
    if (amount !== undefined && parseBytes(amount) === undefined) {
      report([...at, name], "QUANTITY_INVALID", `${name} ${amount} is not an amount of memory such as 4Gi`);
    }
  }
}

function checkVariables({ report }: Inspection, workload: Workload, path: Path): void {
  for (const name of Object.keys(workload.env ?? {})) {
    if (isReserved(name)) report([...path, "env", name], "ENV_RESERVED", reserved(name), "key");
  }
  const given = new Set(Object.keys(workload.env ?? {}));
  for (const [index, secret] of (workload.secrets ?? []).entries()) {
    if (secret?.env === undefined) continue;
    const at = [...path, "secrets", index, "env"];
    if (isReserved(secret.env)) report(at, "ENV_RESERVED", reserved(secret.env));
    else if (given.has(secret.env)) {
      report(at, "ENV_DUPLICATE", `variable ${secret.env} is given twice: by env or by another secret`);
    }
    given.add(secret.env);
  }
}

function isReserved(name: string): boolean {
  return name === "PORT" || name.startsWith("WAYBILL_");
}

function reserved(name: string): string {
  const remedy = name === "PORT" ? "write port instead" : "choose another name";
  return `variable ${name} is set by Waybill itself: ${remedy}`;
}

function checkFiles({ report, isWritten }: Inspection, workload: Workload, path: Path): void {
  const given = new Set<string>();
  for (const name of Object.keys(workload.files ?? {})) {
    given.add(name);
    if (!isCleanAbsolute(name)) checkInside(report, name, [...path, "files", name], "key");
  }
  for (const [index, secret] of (workload.secrets ?? []).entries()) {
    if (secret === null) continue;
    const at = [...path, "secrets", index];
    const isBoth = secret.env !== undefined && secret.file !== undefined;
    if (isBoth) report(at, "FIELD_CONFLICT", "a secret is handed over as env or as file: keep one, or list it twice");
    if (secret.file === undefined) {
      const isOne = isWritten([...at, "env"]) || isWritten([...at, "file"]);
      if (!isOne) report(at, "FIELD_MISSING", `${formatPath(at)} needs "env" or "file": add one`);
      continue;
    }
    if (!isCleanAbsolute(secret.file)) checkInside(report, secret.file, [...at, "file"]);
    if (given.has(secret.file)) {
      const message = `file ${JSON.stringify(secret.file)} is given twice: by files or by another secret`;
      report([...at, "file"], "ENV_DUPLICATE", message);
    }
    given.add(secret.file);
  }
}

function isCleanAbsolute(path: string): boolean {
  return path.startsWith("/") && !path.includes("\\") && !path.split("/").includes("..") && !path.endsWith("/");
}
