import { commitSha, type CommitSha, type EnvironmentName } from "../core/names.ts";
import { WaybillError } from "../core/errors.ts";
import type { Spawn } from "../core/spawn.ts";
import { runGit } from "./command.ts";
import type { Objects } from "./objects/objects.ts";
import {
  formatMessage,
  identityPart,
  parseTagName,
  parseTrailers,
  type Person,
  type SnapshotTag,
} from "./snapshot-tag.ts";

export interface NewSnapshot {
  readonly environment: EnvironmentName;
  readonly number: number;
  readonly commit: CommitSha;
  readonly tagger: Person;
  readonly at: Date;
  readonly message: string;
  readonly trailers: Readonly<Record<string, string>>;
}

interface Creation {
  readonly objects: Objects;
  readonly path: string;
  readonly spawn: Spawn;
}

/** Creates the annotated tag, or throws SNAPSHOT_EXISTS: Git itself decides between two at once. */
export async function createSnapshot({ objects, path, spawn }: Creation, snapshot: NewSnapshot): Promise<SnapshotTag> {
  const { environment, number } = snapshot;
  const tag = `waybill/${environment}/${number}`;
  if (!parseTagName(tag)) throw new TypeError(`not a snapshot's name: ${JSON.stringify(tag)}`);
  const tagger = { name: identityPart(snapshot.tagger.name), email: identityPart(snapshot.tagger.email) };
  const seconds = Math.floor(snapshot.at.getTime() / 1000);
  // Never without a trailer: the text's own last lines would be read as trailers.
  const message = formatMessage(snapshot.message, { "Waybill-Actor": tagger.name, ...snapshot.trailers });
  // Not by simple-git: it waits 50 ms after a command that prints nothing, within every push.
  const { exitCode, stderr } = await runGit(
    ["tag", "--annotate", "--cleanup=verbatim", "--file=-", "--", tag, commitSha(snapshot.commit)],
    {
      cwd: path,
      env: {
        GIT_DIR: path,
        GIT_COMMITTER_NAME: tagger.name,
        GIT_COMMITTER_EMAIL: tagger.email,
        GIT_COMMITTER_DATE: `@${seconds} +0000`,
      },
      input: message,
      spawn,
    },
  );
  const found = await objects.pointer(`refs/tags/${tag}`);
  if (exitCode !== 0) {
    if (found) throw new WaybillError("SNAPSHOT_EXISTS", `the snapshot ${tag} exists already, on ${found.target}`);
    throw new WaybillError("GIT_FAILED", `${path}: creating ${tag}: git ended with status ${exitCode}: ${stderr}`);
  }
  if (!found) throw new WaybillError("GIT_FAILED", `${path}: ${tag} was created and is not there`);
  const { text, trailers } = parseTrailers(message);
  const at = new Date(seconds * 1000);
  return { tag, environment, number, sha: found.id, commit: snapshot.commit, tagger, at, message: text, trailers };
}
