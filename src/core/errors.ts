/**
 * The one table of errors. A code is permanent: scripts and users match it.
 *
 * The verdict alone decides what happens next, everywhere:
 * - `rejected`: the user must change something; never retried. HTTP 4xx, exit status 1.
 * - `waiting`: nothing is wrong, the time has not come; retried after `retryAfterMs`. HTTP 503, exit status 75.
 * - `transient`: something outside failed; retried with backoff, bounded. HTTP 503, exit status 75.
 * - `bug`: we were wrong; stopped and reported. HTTP 500, exit status 70.
 */
export type Verdict = "rejected" | "waiting" | "transient" | "bug";

interface ErrorRow {
  readonly verdict: Verdict;
  /** HTTP status where the verdict's own is too coarse. */
  readonly status?: number;
  readonly summary: string;
}

export const errorTable = {
  // request
  REQUEST_INVALID: { verdict: "rejected", status: 400, summary: "the request does not have the shape wanted" },
  NOT_FOUND: { verdict: "rejected", status: 404, summary: "there is no such thing, or it is not yours to see" },
  CONFLICT: { verdict: "rejected", status: 409, summary: "it exists already, or is in another state" },
  BODY_TOO_LARGE: { verdict: "rejected", status: 413, summary: "the body is larger than this route takes" },
  // access
  SIGN_IN_REQUIRED: { verdict: "rejected", status: 401, summary: "no valid identity came with the request" },
  SIGN_IN_FAILED: { verdict: "rejected", status: 401, summary: "the name, password, token or link is not good" },
  SIGN_IN_LIMITED: { verdict: "waiting", status: 429, summary: "too many failed attempts to sign in" },
  FORBIDDEN: { verdict: "rejected", status: 403, summary: "this identity may not do that" },
  // settings and the command line
  SETTINGS_INVALID: { verdict: "rejected", summary: "a setting of the server is wrong" },
  SERVER_UNREACHABLE: { verdict: "transient", summary: "the server does not answer" },
  USAGE: { verdict: "rejected", summary: "the command line was not understood" },
  // gateway
  HOST_TAKEN: { verdict: "rejected", status: 409, summary: "another deployment has this host name" },
  HOST_UNKNOWN: { verdict: "rejected", status: 404, summary: "nothing is deployed under this host name" },
  NOT_SERVING: { verdict: "waiting", status: 503, summary: "the deployment has nothing to send requests to" },
  SERVER_AWAY: { verdict: "waiting", status: 503, summary: "the server is restarting, deployments keep running" },
  UPSTREAM_FAILED: { verdict: "transient", status: 502, summary: "the deployment did not answer, or broke off" },
  UPSTREAM_TIMEOUT: { verdict: "transient", status: 504, summary: "the deployment took too long to answer" },
  GATEWAY_UNAVAILABLE: { verdict: "transient", summary: "the gateway cannot be started or does not answer" },
  // store
  DATABASE_UNAVAILABLE: { verdict: "transient", summary: "PostgreSQL cannot be reached or started" },
  DISK_FULL: { verdict: "transient", summary: "there is no room left on a disk, or it fails" },
  LEASE_LOST: { verdict: "transient", summary: "another server has taken over" },
  // files
  SPEC_INVALID: { verdict: "rejected", status: 422, summary: "deployment files have problems" },
  BUSY: { verdict: "waiting", status: 503, summary: "the server has as much to do as it takes on at once" },
  // intake
  WEBHOOK_UNSIGNED: { verdict: "rejected", status: 401, summary: "a webhook is not signed by a secret that we know" },
  WEBHOOK_STALE: { verdict: "rejected", status: 401, summary: "a webhook was not signed at about this time" },
  // git
  GIT_TOO_OLD: { verdict: "rejected", summary: "this machine's Git is older than Waybill needs" },
  GIT_FAILED: { verdict: "transient", summary: "a Git command failed" },
  SNAPSHOT_EXISTS: { verdict: "rejected", status: 409, summary: "a snapshot of that number exists" },
  TREE_UNSAFE: { verdict: "rejected", status: 422, summary: "a source folder holds what must not reach a disk" },
  REMOTE_URL_INVALID: { verdict: "rejected", status: 400, summary: "an address is not one that Waybill fetches from" },
  REMOTE_UNREACHABLE: { verdict: "transient", summary: "a repository hosted elsewhere cannot be read" },
  REMOTE_REFUSED: { verdict: "rejected", status: 422, summary: "a repository hosted elsewhere does not admit us" },
  REMOTE_EMPTY: {
    verdict: "transient",
    summary: "a repository hosted elsewhere lists nothing, and listed something before",
  },
  // targets
  BUILD_FAILED: { verdict: "rejected", status: 422, summary: "the build command of a source tree failed" },
  WORKLOAD_FAILED: { verdict: "rejected", status: 422, summary: "a program was started and did not come to answer" },
  SOURCE_MISSING: { verdict: "rejected", status: 422, summary: "files that a program needs are not there" },
  SECRET_MISSING: { verdict: "rejected", status: 422, summary: "a secret that a deployment uses has not been set" },
  TARGET_UNSUPPORTED: { verdict: "rejected", status: 422, summary: "this target cannot do what the file asks for" },
  ROLLOUT_WAITING: { verdict: "waiting", status: 503, summary: "a new revision waits for room on its target" },
  ROLLOUT_IMPOSSIBLE: {
    verdict: "rejected",
    status: 422,
    summary: "a target never has the room that a revision wants",
  },
  ENTRANCE_OPEN: {
    verdict: "rejected",
    status: 422,
    summary: "a cluster's entrance let in somebody without an identity",
  },
  ENTRANCE_SILENT: { verdict: "transient", summary: "a cluster's entrance did not come to ask who somebody is" },
  NAMESPACE_TAKEN: {
    verdict: "rejected",
    status: 422,
    summary: "an environment's namespace in a cluster is another server's",
  },
  PARAMETERS_INVALID: { verdict: "rejected", status: 422, summary: "a run's parameters are not what its job takes" },
  DEPLOY_JOB_FAILED: {
    verdict: "rejected",
    status: 422,
    summary: "the job before a deployment's switch did not complete",
  },
  DEPLOY_JOB_MISSING: { verdict: "waiting", summary: "a job of a deployment's switch is not deployed as it should be" },
  RUN_LOST: {
    verdict: "rejected",
    status: 422,
    summary: "a run's program was ended, or kept from starting, from outside",
  },
  RUN_REPLACED: { verdict: "rejected", status: 409, summary: "a run's target has ended it for the next one" },
  PORT_UNAVAILABLE: { verdict: "transient", summary: "no free port was found on this machine" },
  // clusters
  CLUSTER_UNREACHABLE: { verdict: "transient", summary: "a cluster's API server does not answer" },
  CLUSTER_BUSY: { verdict: "transient", summary: "a cluster's API server is overloaded or failing" },
  CLUSTER_CONFLICT: { verdict: "transient", summary: "an object in the cluster is in a state that forbids this now" },
  CLUSTER_FORBIDDEN: {
    verdict: "rejected",
    status: 422,
    summary: "the cluster, or a policy in it, does not let Waybill do that",
  },
  CLUSTER_REFUSED: { verdict: "rejected", status: 422, summary: "the cluster refused an object as it is" },
  KIND_UNKNOWN: { verdict: "rejected", status: 422, summary: "the cluster serves no such kind of object" },
  // engine
  PROGRAM_FAILED: { verdict: "rejected", status: 422, summary: "the Pulumi program threw, or declared what cannot be" },
  PROGRAM_UNSUPPORTED: {
    verdict: "rejected",
    status: 422,
    summary: "the program uses what this engine does not serve",
  },
  RESOURCE_INVALID: { verdict: "rejected", status: 422, summary: "a provider refused a resource's inputs" },
  RESOURCE_PROTECTED: { verdict: "rejected", status: 409, summary: "a protected resource would have been deleted" },
  STEP_FAILED: { verdict: "transient", summary: "a resource could not be made as wanted" },
  STATE_INVALID: { verdict: "rejected", summary: "a stack's state cannot be read" },
  STATE_CONFLICT: { verdict: "transient", summary: "another process changed the stack's state meanwhile" },
  STACK_BUSY: { verdict: "transient", status: 409, summary: "another operation on the stack is under way" },
  STACK_LOCKED: { verdict: "waiting", summary: "another process holds the stack's lock in its backend" },
  CLI_UNAVAILABLE: { verdict: "rejected", summary: "the Pulumi CLI cannot be started" },
  CLI_FAILED: { verdict: "transient", summary: "the Pulumi CLI refused, or broke off" },
  APPLY_CANCELLED: { verdict: "transient", summary: "the apply was cancelled before it was through" },
  // last resort
  BUG: { verdict: "bug", summary: "a defect in Waybill" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

const statusOf: Record<Verdict, number> = { rejected: 400, waiting: 503, transient: 503, bug: 500 };
const exitStatusOf: Record<Verdict, number> = { rejected: 1, waiting: 75, transient: 75, bug: 70 };
const exitStatusByCode: Partial<Record<ErrorCode, number>> = {
  USAGE: 2,
  SERVER_UNREACHABLE: 69,
  SETTINGS_INVALID: 78,
};

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Of what is tried again: when, where that is not as long as usual. */
  readonly retryAfterMs?: number;
}

/** Every error that Waybill raises on purpose. `message` says where, what was found, what was wanted, what to do. */
export class WaybillError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WaybillError";
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get verdict(): Verdict {
    return errorTable[this.code].verdict;
  }

  get httpStatus(): number {
    const row: ErrorRow = errorTable[this.code];
    return row.status ?? statusOf[row.verdict];
  }

  get exitStatus(): number {
    return exitStatusByCode[this.code] ?? exitStatusOf[this.verdict];
  }
}

/**
 * Of Node and of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html: disk_full, io_error).
 */
const diskCodes = new Set<unknown>(["ENOSPC", "EDQUOT", "53100", "58030"]);

/** Any thrown value as a WaybillError; what is not one already is a `BUG`, with the original as its cause. */
export function asWaybillError(thrown: unknown): WaybillError {
  if (thrown instanceof WaybillError) return thrown;
  const message = messageOf(thrown);
  if (thrown instanceof Error && "code" in thrown && diskCodes.has(thrown.code)) {
    return new WaybillError("DISK_FULL", `make room on the disk and try again: ${message}`, { cause: thrown });
  }
  return new WaybillError("BUG", message, { cause: thrown });
}

/** The message of any thrown value, for logs and for wrapping. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
