import type { DeploymentSpec, ServiceSpec, SiteSpec } from "../deployment.ts";
import { overlay } from "../overlay.ts";
import type { Path } from "../problem.ts";

/** A host name's label that a deployment wants, and where it says so; `path` null for its own name. */
export interface Claim {
  readonly label: string;
  readonly path: Path | null;
}

/** The labels that a deployment claims everywhere, and those of environments whose overlay changes them. */
export interface Claims {
  readonly everywhere: readonly Claim[];
  readonly byEnvironment: Readonly<Record<string, readonly Claim[]>>;
}

const none: Claims = { everywhere: [], byEnvironment: {} };

export function claimsOf(spec: DeploymentSpec): Claims {
  if (spec.kind !== "service" && spec.kind !== "site") return none;
  const byEnvironment: Record<string, readonly Claim[]> = {};
  for (const [environment, over] of Object.entries(spec.environments ?? {})) {
    if (over.subdomain === undefined && over.routes === undefined) continue;
    byEnvironment[environment] = claimsAt(overlay(spec, over), ["environments", environment], over);
  }
  return { everywhere: claimsAt(spec, [], spec), byEnvironment };
}

type Claimant = Pick<ServiceSpec | SiteSpec, "name" | "subdomain" | "routes">;

/** `written` is what stands at `at`: only that can be pointed to. */
function claimsAt(spec: Claimant, at: Path, written: Partial<Claimant>): Claim[] {
  const routes = spec.routes ?? [];
  return [
    {
      label: spec.subdomain ?? spec.name,
      path: written.subdomain === undefined ? null : [...at, "subdomain"],
    },
    ...routes.map(({ subdomain }, index) => ({
      label: subdomain,
      path: written.routes === undefined ? null : [...at, "routes", index, "subdomain"],
    })),
  ];
}
