import type { DeploymentSpec } from "../deployment.ts";
import type { Finding, Path } from "../problem.ts";
import type { RepositorySettings } from "../repository-settings.ts";
import { nearest } from "../rules/nearest.ts";
import type { Claim } from "./claims.ts";
import { findLinkProblems } from "./links.ts";
import type { CheckedDocument, CheckedFile } from "./file.ts";

/** A problem between files, before its position is known: to find it the file is read once more. */
export interface CrossFinding extends Finding {
  readonly document: CheckedDocument;
}

interface Owner {
  readonly document: CheckedDocument;
  readonly claim: Claim;
}

/** What files that are right by themselves do to each other. Linear in the number of deployments and of their routes. */
export function findCrossProblems(
  files: readonly CheckedFile[],
  settings: RepositorySettings | undefined,
): CrossFinding[] {
  const documents = files.flatMap((file) => file.documents);
  const findings: CrossFinding[] = [];
  const unique = uniqueNames(documents, findings);
  const everywhere = new Map<string, Owner>();
  for (const document of unique) {
    for (const claim of document.claims.everywhere) claimLabel(everywhere, { document, claim }, findings);
  }
  environmentRoutes(unique, everywhere, findings);
  findings.push(...findLinkProblems(unique, { isComplete: files.every(({ problems }) => problems.length === 0) }));
  if (settings !== undefined) unknownEnvironments(documents, settings, findings);
  return findings;
}

/** The documents that were first with their names. */
function uniqueNames(documents: readonly CheckedDocument[], findings: CrossFinding[]): CheckedDocument[] {
  const byName = new Map<string, CheckedDocument>();
  const unique: CheckedDocument[] = [];
  for (const document of documents) {
    const { name } = document.spec;
    const first = byName.get(name);
    if (first === undefined) {
      byName.set(name, document);
      unique.push(document);
    } else {
      const message = `deployment "${name}" is also in ${placeOf(first.spec)}: rename one of them`;
      findings.push({ document, path: ["name"], at: "value", code: "NAME_DUPLICATE", message });
    }
  }
  return unique;
}

function placeOf({ file, line }: DeploymentSpec): string {
  return `${file}:${line}`;
}

function claimLabel(owners: Map<string, Owner>, { document, claim }: Owner, findings: CrossFinding[]): void {
  const owner = owners.get(claim.label);
  if (owner === undefined) {
    owners.set(claim.label, { document, claim });
    return;
  }
  // Within one deployment it has been said by the file's own check.
  if (owner.document !== document) findings.push(duplicateRoute({ document, claim }, owner));
}

function duplicateRoute({ document, claim }: Owner, owner: Owner, environment?: string): CrossFinding {
  // Of the two, the one that is written can be pointed to and changed.
  const isOwnName = claim.path === null && owner.claim.path !== null;
  const [told, other] = isOwnName ? [owner, { document, claim }] : [{ document, claim }, owner];
  const where = environment === undefined ? "" : ` (in environment ${environment})`;
  const message =
    `host name "${claim.label}" is also that of ${other.document.spec.kind} "${other.document.spec.name}" ` +
    `in ${placeOf(other.document.spec)}: choose another subdomain${where}`;
  return { document: told.document, path: told.claim.path ?? ["name"], at: "value", code: "ROUTE_DUPLICATE", message };
}

/** Only what an overlay changes is looked at again, so that many environments do not multiply with many files. */
function environmentRoutes(
  documents: readonly CheckedDocument[],
  everywhere: ReadonlyMap<string, Owner>,
  findings: CrossFinding[],
): void {
  const changed = new Map<string, CheckedDocument[]>();
  for (const document of documents) {
    for (const environment of Object.keys(document.claims.byEnvironment)) {
      const there = changed.get(environment);
      if (there === undefined) changed.set(environment, [document]);
      else there.push(document);
    }
  }
  for (const [environment, moved] of changed) {
    const isMoved = new Set(moved);
    const owners = new Map<string, Owner>();
    for (const document of moved) {
      for (const claim of document.claims.byEnvironment[environment] ?? []) {
        const resident = everywhere.get(claim.label);
        const stays = resident !== undefined && !isMoved.has(resident.document);
        const owner = owners.get(claim.label) ?? (stays ? resident : undefined);
        if (owner === undefined) owners.set(claim.label, { document, claim });
        else if (owner.document !== document) findings.push(duplicateRoute({ document, claim }, owner, environment));
      }
    }
  }
}

const preview = /^pr-\d+$/;

/** An environment can be made by a tag alone, so an unknown name is a problem only when it looks like a slip. */
function unknownEnvironments(
  documents: readonly CheckedDocument[],
  settings: RepositorySettings,
  findings: CrossFinding[],
): void {
  const known = Object.keys(settings.environments);
  const meant = new Map<string, string | undefined>();
  for (const document of documents) {
    for (const environment of Object.keys(document.spec.environments ?? {})) {
      if (Object.hasOwn(settings.environments, environment) || preview.test(environment)) continue;
      if (!meant.has(environment)) meant.set(environment, nearest(environment, known));
      const suggestion = meant.get(environment);
      if (suggestion === undefined) continue;
      const path: Path = ["environments", environment];
      const message = `environment "${environment}" is not in waybill.yaml. Did you mean "${suggestion}"?`;
      findings.push({ document, path, at: "key", code: "ENVIRONMENT_UNKNOWN", message });
    }
  }
}
