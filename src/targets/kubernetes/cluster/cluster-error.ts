import { WaybillError, type ErrorCode } from "../../../core/errors.ts";

/** One field that the API server did not take. */
export interface FieldCause {
  readonly field: string;
  readonly reason: string;
  readonly message: string;
}

// Long enough for every answer of the API server; a proxy in between may answer with a whole page.
const maxMessageLength = 2_000;

/** What the API server answered instead of the object. `status` is the HTTP status, `reason` its machine-readable name. */
export class ClusterError extends WaybillError {
  readonly status: number;
  readonly reason: string;
  readonly causes: readonly FieldCause[];
  readonly #answer: Answer;
  readonly #doing: string;

  constructor(answer: Answer, doing: string) {
    const { status, reason, causes, message } = answer;
    const { code, advice } = judge({ status, reason, causes });
    super(code, `${doing}: ${message.slice(0, maxMessageLength)}${advice === "" ? "" : `. ${advice}`}`);
    this.name = "ClusterError";
    this.status = status;
    this.reason = reason ?? "";
    this.causes = causes;
    this.#answer = answer;
    this.#doing = doing;
  }

  /** With all texts as `clean` makes them, before they are cut short: half a secret would not be known as one. */
  cleaned(clean: (text: string) => string): ClusterError {
    const { message, causes } = this.#answer;
    const own = causes.map((cause) => ({ ...cause, message: clean(cause.message) }));
    return new ClusterError({ ...this.#answer, causes: own, message: clean(message) }, clean(this.#doing));
  }
}

export const isStatus = (error: unknown, status: number): boolean =>
  error instanceof ClusterError && error.status === status;

/** The API server's own name for what is wrong; null for any other error. */
const reasonOf = (error: unknown): string | null => (error instanceof ClusterError ? error.reason : null);

/** The answer to a call; null where it is refused with this status, for this reason if one is given. */
export async function orNullAt(status: number, answer: Promise<string>, reason?: string): Promise<string | null> {
  try {
    return await answer;
  } catch (error) {
    if (isStatus(error, status) && (reason === undefined || reasonOf(error) === reason)) return null;
    throw error;
  }
}

/** Null: it is not there. */
export const orNull = (answer: Promise<string>): Promise<string | null> => orNullAt(404, answer);

interface Verdictive {
  readonly status: number;
  /** Null: not an answer of the API server itself. */
  readonly reason: string | null;
  readonly causes: readonly FieldCause[];
}

interface Answer extends Verdictive {
  readonly message: string;
}

/** The fields that another manager has, as an apply without `force` is told; empty for any other error. */
export const conflictsIn = (error: unknown): readonly FieldCause[] =>
  error instanceof ClusterError ? error.causes.filter(({ reason }) => reason === "FieldManagerConflict") : [];

/**
 * An applied object that cannot be decoded (an unknown field, a quantity that is none) is answered as a server error,
 * one that names no reason. Troubles of the server's own do name one, but for a few of its database's.
 */
export const isUnexplained = (error: unknown): boolean =>
  error instanceof ClusterError && error.status === 500 && error.code === "CLUSTER_REFUSED";

interface Judgement {
  readonly code: ErrorCode;
  readonly advice: string;
}

// The cause's reason that a namespace on its way out answers with (k8s.io/api/core/v1 NamespaceTerminatingCause).
const namespaceTerminating = "NamespaceTerminating";

function judge({ status, reason, causes }: Verdictive): Judgement {
  if (causes.some(({ reason }) => reason === namespaceTerminating)) {
    return { code: "CLUSTER_CONFLICT", advice: "The namespace is being deleted; it can be used again once it is gone" };
  }
  if (status === 401) {
    return { code: "CLUSTER_FORBIDDEN", advice: "The cluster does not know these credentials; look at the kubeconfig" };
  }
  if (status === 403) return { code: "CLUSTER_FORBIDDEN", advice: "" };
  if (status === 409) return { code: "CLUSTER_CONFLICT", advice: "" };
  if (status === 500 && reason === "") return { code: "CLUSTER_REFUSED", advice: "" };
  if (status === 429 || status >= 500) return { code: "CLUSTER_BUSY", advice: "" };
  return { code: "CLUSTER_REFUSED", advice: "" };
}

interface StatusObject {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly Partial<FieldCause>[] };
}

/** The error of an answer that is not 2xx. `doing` says what was asked: `apply Deployment shop/ranker`. */
export function errorOf(status: number, body: string, doing: string): ClusterError {
  const found = parsed(body);
  const message = (found?.message ?? body.trim()) || `status ${status}`;
  const causes = (found?.details?.causes ?? []).map(({ field = "", reason = "", message: text = "" }) => ({
    field,
    reason,
    message: text,
  }));
  return new ClusterError({ status, reason: found && (found.reason ?? ""), causes, message }, doing);
}

function parsed(body: string): StatusObject | null {
  try {
    const value = JSON.parse(body) as unknown;
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}
