import { compact, imageSource, makeNames, variablesOf, type Draft } from "./draft.ts";
import { isMap, mapsOf, type Place, type Reading } from "./reading.ts";
import { sizeOf } from "./saturn-size.ts";

/**
 * Recipes of Saturn Cloud: deployments become services, jobs become jobs. Both the flat form of 2022, with a map `job` or
 * `deployment` beside the common fields, and the newer one with `type`, `spec` and `state`.
 */
export function readSaturn(documents: readonly unknown[], placeOf: (document: number) => Place): readonly Draft[] {
  const nameOf = makeNames();
  return documents.flatMap((document, index) =>
    mapsOf(document, placeOf(index)).flatMap((reading) => {
      const recipe = recipeOf(reading);
      if (recipe === null) return [];
      const draft = draftOf(recipe, nameOf);
      reading.rest();
      return [draft];
    }),
  );
}

interface Recipe {
  readonly kind: "service" | "job";
  /** The fields of every resource. */
  readonly common: Reading;
  /** Those of its kind: the same map in the newer form. */
  readonly own: Reading;
  readonly isStopped: boolean;
}

const unversioned = ["schema_version", "version", "type"];

/** Null for what is neither a deployment nor a job. */
function recipeOf(reading: Reading): Recipe | null {
  for (const key of unversioned) reading.take(key);
  const spec = reading.map("spec");
  if (spec) {
    const type = reading.text("type");
    if (type !== "deployment" && type !== "job") return skipped(reading, type ?? "resource without a type");
    const state = reading.map("state");
    state?.take("id");
    const status = state?.text("status") ?? spec.text("status");
    spec.take("status");
    const isStopped = status === "stopped";
    if (isStopped && type === "job") {
      (state ?? spec).note(
        "not carried over: that no run goes on just now; write state: stopped for no runs at all",
        "status",
      );
    }
    return { kind: type === "job" ? "job" : "service", common: spec, own: spec, isStopped };
  }
  const job = reading.map("job");
  const own = job ?? reading.map("deployment");
  if (!own) return skipped(reading, reading.keys().find((key) => /server|workbench/.test(key)) ?? "resource");
  return { kind: job ? "job" : "service", common: reading, own, isStopped: false };
}

function skipped(reading: Reading, what: string): null {
  reading.note(
    `not carried over: a ${what} is neither a deployment nor a job, and people work on machines of their own`,
  );
  return null;
}

type Names = ReturnType<typeof makeNames>;

function draftOf({ kind, common, own, isStopped }: Recipe, nameOf: Names): Draft {
  const name = nameOf(common.text("name") ?? "recipe", common, "name");
  const repository = repositoryOf(common);
  const image = imageField(common, repository.source !== undefined);
  const fields = compact({
    kind,
    description: common.text("description"),
    tags: common.take("tags"),
    // A job that is not running just now is not switched off.
    state: isStopped && kind === "service" ? "stopped" : undefined,
    source: repository.source ?? image,
    build: buildOf(common),
    startScript: common.text("start_script"),
    command: own.text("command"),
    workingDir: workingDirOf(common, repository.path),
    size: sizeField(own),
    env: variablesOf(common.map("environment_variables")),
    secrets: secretsOf(common),
    ...(kind === "job" ? jobFields(own) : serviceFields(own)),
  });
  common.drop("owner", "who may change it are the members of the server");
  common.drop("visibility", "whoever can read the repository can copy the file");
  common.drop("token_scope", "programs get no token of the server by themselves");
  common.drop("start_dind", "there is no Docker inside a deployment");
  common.drop("start_ssh", "there is no SSH into a deployment: see waybill logs");
  common.drop("dask_cluster", "start the cluster's parts as components, or as deployments of kind worker");
  common.drop("shared_folders", "there are no shared folders: keep files in an object store or a database");
  common.drop("config_files", "write files, with their content or from a secret");
  return { name, fields };
}

interface Repository {
  readonly source?: Readonly<Record<string, unknown>>;
  /** Where Saturn Cloud put it. */
  readonly path?: string | undefined;
}

/** The first repository is the source, at the revision that is named. */
function repositoryOf(reading: Reading): Repository {
  const [first, ...others] = reading.list("git_repositories");
  for (const other of others) {
    other.note(`not carried over: ${other.text("url") ?? ""}: one source a deployment; fetch others in build`);
    for (const key of other.keys()) other.take(key);
  }
  if (!first) return {};
  const url = first.text("url");
  const path = first.text("path") ?? first.text("location");
  first.drop("on_restart", "each start has the files of its commit, and nothing that was written beside them");
  first.drop("reference_type", "whether it is a branch, a tag or a commit is seen from source.git.ref");
  for (const key of ["public", "private", "read_only"]) first.drop(key, "the server's own access to it decides");
  first.note("leave source out where this file is in that very repository: it is then deployed with each push", "url");
  return { source: { git: compact({ url, ref: first.text("reference") }) }, path };
}

const imageKeys = ["image", "image_uri", "image_name"];

const imageOf = (reading: Reading): string | undefined => {
  const [given] = imageKeys.map((key) => reading.take(key)).filter((found) => found !== undefined);
  if (isMap(given)) return compactName(given);
  return typeof given === "string" ? given : undefined;
};

const compactName = ({ owner, name, version }: Readonly<Record<string, unknown>>): string =>
  `${typeof owner === "string" ? `${owner}/` : ""}${String(name)}${typeof version === "string" ? `:${version}` : ""}`;

const imageKey = (reading: Reading): string => imageKeys.find((key) => reading.has(key)) ?? "image";

function imageField(reading: Reading, isFromGit: boolean): Readonly<Record<string, unknown>> | undefined {
  const key = imageKey(reading);
  const image = imageOf(reading);
  if (!isFromGit || image === undefined) return imageSource(image, reading, key);
  reading.note(
    `not carried over: ${image}: programs from a repository run in the target's image of their language`,
    key,
  );
  return undefined;
}

const home = "/home/jovyan/workspace";

function workingDirOf(reading: Reading, repositoryPath: string | undefined): string | undefined {
  const given = reading.text("working_directory");
  if (given === undefined) return undefined;
  const roots = [repositoryPath, home].flatMap((root) => (root === undefined ? [] : [root.replace(/\/+$/, "")]));
  const root = roots.find((each) => given === each || given.startsWith(`${each}/`));
  const rest = root === undefined ? null : given.slice(root.length).replaceAll(/^\/+|\/+$/g, "");
  if (rest === null || (root === home && rest !== "")) {
    reading.note(`not carried over: write workingDir, relative to the source, for ${given}`, "working_directory");
    return undefined;
  }
  return rest === "" ? undefined : rest;
}

/** pip's packages become the build; others have to be in the image. */
function buildOf(reading: Reading): string | undefined {
  const packages = reading.map("extra_packages");
  if (!packages) return undefined;
  const pip = packages.has("pip") && typeof packages.take("pip") === "string" ? packages.text("pip") : undefined;
  const map = pip === undefined ? packages.map("pip") : undefined;
  const install = pip ?? map?.text("install") ?? map?.text("packages");
  map?.drop("requirements_txt", "write it into the source, and `pip install -r requirements.txt` into build");
  for (const key of ["conda", "apt", "cran", "remotes", "bioconductor", "github"]) {
    packages.drop(key, "install it in build, or take an image that has it");
  }
  if (install === undefined) return undefined;
  const words = install.trim().split(/\s+/).map(quotedRequirement).join(" ");
  return words.startsWith("pip ") ? words : `pip install ${words}`;
}

/** A shell would take `pandas>=1.3` for a redirection, and read the brackets of `dask[complete]`. */
function quotedRequirement(word: string): string {
  const isRequirement = /^[A-Za-z0-9][\w.-]*(?:\[[\w.,-]*\])?(?:[<>=!~][^'"]*)?$/.test(word);
  return isRequirement && /[^\w.=-]/.test(word) ? `'${word}'` : word;
}

function sizeField(reading: Reading): Readonly<Record<string, unknown>> | undefined {
  const type = reading.text("instance_type");
  const isSpot = reading.flag("use_spot_instance") === true;
  if (type === undefined) return undefined;
  const size = sizeOf(type);
  if (size === null) {
    reading.note(`not carried over: write size for the instance type ${type}`, "instance_type");
    return undefined;
  }
  return { ...size, ...(isSpot && { spot: true }) };
}

function secretsOf(reading: Reading): readonly unknown[] | undefined {
  const found = [...reading.list("secrets"), ...reading.list("credentials")].map((each) => {
    const location = each.text("location") ?? "";
    const isFile = /file/i.test(each.text("attachment_type") ?? each.text("type") ?? "");
    const name = (each.text("name") ?? location).toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-");
    each.take("description");
    each.drop("owner", "a secret belongs to the repository and the environment");
    each.note(`its value has to be set: waybill secret set ${name}`, "name");
    return { name, ...(isFile ? { file: location } : { env: location }) };
  });
  return found.length === 0 ? undefined : found;
}

const policies: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  Forbid: { limit: 1, whenFull: "skip" },
  Replace: { limit: 1, whenFull: "cancel-running" },
};

function jobFields(reading: Reading): Readonly<Record<string, unknown>> {
  const cron = reading.text("schedule");
  const retries = reading.number("retries") ?? reading.number("backoff_limit");
  if ((reading.number("scale") ?? 1) > 1) {
    reading.note("not carried over: a run is one process; start several with other parameters", "scale");
  }
  return {
    schedules: cron === undefined ? undefined : [{ name: "schedule", cron }],
    concurrency: concurrencyOf(reading),
    retries: retries === undefined || retries === 0 ? undefined : { limit: retries },
  };
}

function concurrencyOf(reading: Reading): Readonly<Record<string, unknown>> | undefined {
  const policy = reading.text("concurrency_policy") ?? "Allow";
  const concurrency = Object.hasOwn(policies, policy) ? policies[policy] : undefined;
  if (!concurrency && policy !== "Allow") reading.note(`not carried over: ${policy}`, "concurrency_policy");
  return concurrency;
}

const visibilities: Readonly<Record<string, string>> = {
  unauthenticated: "public",
  account: "signed-in",
  org: "signed-in",
  owner: "viewers",
};

function serviceFields(reading: Reading): Readonly<Record<string, unknown>> {
  const replicas = reading.number("instance_count") ?? reading.number("scale");
  const viewers = reading.list("viewers").flatMap((viewer) => {
    viewer.drop("route", "viewers are those of all the deployment's routes");
    const identity = viewer.text("identity");
    return identity === undefined ? [] : [viewerName(identity)];
  });
  const routes = reading.list("routes").map((route) => ({
    subdomain: route.text("subdomain"),
    port: route.number("container_port"),
    visibility: visibilities[route.text("visibility") ?? ""],
  }));
  const [main, ...others] = routes;
  const visibility =
    reading.flag("public") === true ? "public" : (main?.visibility ?? (viewers.length > 0 ? "viewers" : undefined));
  return {
    port: main?.port === 8000 ? undefined : main?.port,
    replicas: replicas === undefined || replicas === 1 ? undefined : replicas,
    subdomain: main?.subdomain,
    access:
      visibility === undefined ? undefined : compact({ visibility, viewers: viewers.length > 0 ? viewers : undefined }),
    routes: others.length === 0 ? undefined : others.map(routeField),
  };
}

/** `user/ada`, or `ada`. */
function viewerName(identity: string): string {
  const [kind = "", ...rest] = identity.split("/");
  return rest.length === 0 ? `user:${kind}` : `${kind}:${rest.join("/")}`;
}

interface Route {
  readonly subdomain: string | undefined;
  readonly port: number | undefined;
  readonly visibility: string | undefined;
}

const routeField = ({ subdomain, port, visibility }: Route): Readonly<Record<string, unknown>> =>
  compact({ subdomain, port, access: visibility === undefined ? undefined : { visibility } });
