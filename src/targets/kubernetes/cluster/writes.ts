import { answerOf } from "./answer.ts";
import type { ApplyOptions, Cluster, DeleteOptions, DeleteOutcome, Selection } from "./cluster.ts";
import { isStatus, orNull, orNullAt } from "./cluster-error.ts";
import { referenceOf, titleOf, type KubeObject, type ObjectReference } from "./object.ts";
import type { Transport } from "./transport.ts";

/** Where the API server has what is selected; throws KIND_UNKNOWN. */
export type PathOf = (selection: Selection & { readonly name?: string }, signal: AbortSignal) => Promise<string>;

/** The calls that change something. */
export function writesOver(
  transport: Transport,
  pathOf: PathOf,
): Pick<Cluster, "apply" | "patch" | "create" | "delete"> {
  return {
    async apply(object, { signal, ...options }) {
      const reference = referenceOf(object);
      const path = `${await pathOf(reference, signal)}?${applyQuery(options)}`;
      const doing = `apply ${titleOf(reference)}`;
      // The API server reads YAML here, of which JSON is a part.
      const contentType = "application/apply-patch+yaml";
      return answerOf(
        await transport.call({ method: "PATCH", path, body: JSON.stringify(object), contentType, doing, signal }),
      ) as KubeObject;
    },
    async patch(reference, changes, { signal, fieldManager, subresource }) {
      const query = new URLSearchParams({ fieldManager, fieldValidation: "Strict" });
      const part = subresource === undefined ? "" : `/${subresource}`;
      const path = `${await pathOf(reference, signal)}${part}?${query.toString()}`;
      const doing = `patch ${titleOf(reference)}`;
      const contentType = "application/json-patch+json";
      const body = await orNull(
        transport.call({ method: "PATCH", path, body: JSON.stringify(changes), contentType, doing, signal }),
      );
      return body === null ? null : (answerOf(body) as KubeObject);
    },
    async create(object, signal) {
      const { name: _, ...selection } = referenceOf(object);
      const path = `${await pathOf(selection, signal)}?fieldManager=waybill&fieldValidation=Strict`;
      const doing = `create ${titleOf(referenceOf(object))}`;
      const body = JSON.stringify(object);
      const answer = await orNullAt(
        409,
        transport.call({ method: "POST", path, body, doing, signal }),
        "AlreadyExists",
      );
      return answer === null ? null : (answerOf(answer) as KubeObject);
    },
    delete: async (reference, options) =>
      deleteObject(transport, { reference, path: await pathOf(reference, options.signal) }, options),
  };
}

function applyQuery({ dryRun = false, fieldManager = "waybill", force = true }: Omit<ApplyOptions, "signal">): string {
  const query = new URLSearchParams({ fieldManager, force: String(force), fieldValidation: "Strict" });
  if (dryRun) query.set("dryRun", "All");
  return query.toString();
}

interface Deletion {
  readonly reference: ObjectReference;
  readonly path: string;
}

async function deleteObject(transport: Transport, deletion: Deletion, options: DeleteOptions): Promise<DeleteOutcome> {
  const { signal, uid, propagation = "Background", graceSeconds } = options;
  const body = JSON.stringify({
    kind: "DeleteOptions",
    apiVersion: "v1",
    propagationPolicy: propagation,
    ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }),
    ...(uid !== undefined && { preconditions: { uid } }),
  });
  const doing = `delete ${titleOf(deletion.reference)}`;
  try {
    const { path } = deletion;
    const answer = await orNull(transport.call({ method: "DELETE", path, body, doing, signal }));
    if (answer === null) return "absent";
    // The object itself is answered while there is still one.
    return (JSON.parse(answer) as { readonly kind?: string }).kind === "Status" ? "gone" : "going";
  } catch (error) {
    // With a precondition the only conflict there is: another object has taken the name.
    if (uid !== undefined && isStatus(error, 409)) return "absent";
    throw error;
  }
}
