import type { Clock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { isStatus } from "../cluster/cluster-error.ts";
import type { KubeObject } from "../cluster/object.ts";
import { isOfAnother, labels, manager } from "../names.ts";
import { sourceKey, sourceLabel } from "../place.ts";
import { addressLifeMs, type Grant, type SourceUrls } from "./signature.ts";

interface Renewal {
  readonly cluster: Cluster;
  readonly server: string;
  readonly urls: Pick<SourceUrls, "sign" | "isSigned">;
  readonly sourceUrl: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const intervalMs = 60 * 60 * 1_000;

/** Writes new addresses into the Secrets by which pods find their source, long before the old ones end. Until aborted. */
export async function keepAddressesGood(renewal: Renewal, signal: AbortSignal): Promise<void> {
  const { clock, log } = renewal;
  while (!signal.aborted) {
    await renewAddresses(renewal, signal).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ error: messageOf(error) }, "addresses of sources could not be renewed");
    });
    await clock.sleep(intervalMs, signal).catch(() => undefined);
  }
}

/** Answers how many were renewed. */
export async function renewAddresses(renewal: Renewal, signal: AbortSignal): Promise<number> {
  const { cluster, server, urls, sourceUrl, clock } = renewal;
  const nowMs = clock.now().getTime();
  const due = (await secretsWithAddresses(cluster, server, signal)).flatMap((secret) => {
    const grant = grantOf(secret);
    const url = urlOf(secret);
    // Another server may share the cluster: its pods do not know our addresses.
    if (url === null || !urls.isSigned(grant, url.searchParams)) return [];
    const isYoung = Number(url.searchParams.get("expires")) * 1_000 - nowMs >= addressLifeMs / 2;
    return isYoung && url.href.startsWith(`${sourceUrl}/`) ? [] : [{ secret, grant }];
  });
  for (const { secret, grant } of due) {
    const { apiVersion, kind } = secret;
    const { name, namespace = "" } = secret.metadata;
    const url = `${sourceUrl}${urls.sign(grant, new Date(nowMs + addressLifeMs))}`;
    const data = { url: Buffer.from(url).toString("base64") };
    const options = { signal, fieldManager: "waybill-sources" };
    await cluster.apply({ apiVersion, kind, metadata: { name, namespace }, data }, options);
  }
  return due.length;
}

/** Of Waybill's namespaces one by one: an account need not be allowed to read the Secrets of a whole cluster. */
async function secretsWithAddresses(
  cluster: Cluster,
  server: string,
  signal: AbortSignal,
): Promise<readonly SecretObject[]> {
  const spaces = { apiVersion: "v1", kind: "Namespace", labelSelector: `${labels.manager}=${manager}` };
  const found: SecretObject[] = [];
  for (const { metadata } of (await cluster.list(spaces, signal)).items) {
    if (isOfAnother(metadata.labels, server)) continue;
    const secrets = { apiVersion: "v1", kind: "Secret", labelSelector: `${sourceLabel}=true` };
    try {
      found.push(...(await cluster.list<SecretObject>({ ...secrets, namespace: metadata.name }, signal)).items);
    } catch (error) {
      // Another server's namespace.
      if (!isStatus(error, 403)) throw error;
    }
  }
  return found;
}

const grantOf = ({ metadata: { labels: own = {}, annotations = {} } }: SecretObject): Grant => ({
  method: "GET",
  repository: own[labels.repository] ?? "",
  key: annotations[sourceKey] ?? "",
});

function urlOf({ data }: SecretObject): URL | null {
  const text = Buffer.from(data?.["url"] ?? "", "base64").toString("utf8");
  return URL.canParse(text) ? new URL(text) : null;
}
