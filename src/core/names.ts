/** Names that must not be mixed up: each is a string that only its own parser makes. */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** 40 (SHA-1) or 64 (SHA-256) lower-case hex digits naming a commit. */
export type CommitSha = Branded<"CommitSha">;
/** The same for a tree. */
export type TreeSha = Branded<"TreeSha">;
/** A repository's name on this server: `NAME` in `/git/NAME.git`. */
export type RepositoryName = Branded<"RepositoryName">;
/** An environment's name: a DNS label without `--`. */
export type EnvironmentName = Branded<"EnvironmentName">;
/** A deployment's name: a DNS label without `--`. */
export type DeploymentName = Branded<"DeploymentName">;

const sha = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
// RFC 1123, section 2.1 label, lower case; `--` separates the parts of a host name (design, decision 11).
const label = /^(?!.*--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const maxNameLength = 40;

/** A secret's name, for files and for whoever sets it: 1 to 100 of `a-z`, `0-9`, `.`, `_`, `-`, the last three only within. */
export const secretNamePattern = "^[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?$";
const secretName = new RegExp(secretNamePattern);

export const isSha = (text: string): boolean => sha.test(text);
/** True for a name of at most 40 characters that may stand in a host name: `a-z`, `0-9`, `-`, no `--`. */
export const isName = (text: string): boolean => text.length <= maxNameLength && label.test(text);

export const isSecretName = (text: string): boolean => secretName.test(text);

export function commitSha(text: string): CommitSha {
  if (!isSha(text)) throw new TypeError(`not a commit id: ${JSON.stringify(text.slice(0, 80))}`);
  return text as CommitSha;
}

export function treeSha(text: string): TreeSha {
  if (!isSha(text)) throw new TypeError(`not a tree id: ${JSON.stringify(text.slice(0, 80))}`);
  return text as TreeSha;
}

function named(text: string, what: string): string {
  if (!isName(text)) throw new TypeError(`not a ${what} name: ${JSON.stringify(text.slice(0, 80))}`);
  return text;
}

export const repositoryName = (text: string): RepositoryName => named(text, "repository") as RepositoryName;
export const environmentName = (text: string): EnvironmentName => named(text, "environment") as EnvironmentName;
