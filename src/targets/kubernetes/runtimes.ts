import type { ResolvedWorkload } from "../../spec/resolved.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";

export type Runtime = keyof KubernetesTargetSettings["runtimes"];
type Runtimes = KubernetesTargetSettings["runtimes"];

const programs: Readonly<Record<Runtime, ReadonlySet<string>>> = {
  node: new Set(["node", "npm", "npx", "yarn", "pnpm", "corepack", "tsx", "next", "vite"]),
  python: new Set(
    (
      "python python3 pip uv poetry uvicorn gunicorn hypercorn fastapi flask streamlit panel celery jupyter dash " +
      "gradio ray torchrun accelerate"
    ).split(" "),
  ),
};
const endings: Readonly<Record<Runtime, RegExp>> = {
  node: /\.[cm]?[jt]s(?=["'\s]|$)/,
  python: /\.py(?=["'\s]|$)/,
};
const names = ["node", "python"] as const satisfies readonly Runtime[];

/** What a command is for, by its first word, else by the files that it names; null when it says neither. */
export function runtimeOf(command: string): Runtime | null {
  // `A=b exec ./node_modules/.bin/next start` is about `next`.
  const words = command.trim().split(/\s+/);
  const first = words.find((word) => word !== "exec" && !/^\w+=/.test(word)) ?? "";
  const program = first.slice(first.lastIndexOf("/") + 1).replace(/^python3?(?:\.\d+)?$/, "python");
  return names.find((name) => programs[name].has(program)) ?? names.find((name) => endings[name].test(command)) ?? null;
}

/** The image that a workload from source runs in; text says why there is none. */
export function imageOf(
  { source, command, build }: Pick<ResolvedWorkload, "source" | "command" | "build">,
  runtimes: Runtimes,
): { readonly image: string; readonly runtime: Runtime | null } | string {
  if (source.from === "image") return { image: source.image, runtime: null };
  const runtime = runtimeOf(command ?? "") ?? runtimeOf(build ?? "") ?? onlyOne(runtimes);
  if (runtime === null) {
    return `its command names no program of ${names.join(" or ")}: begin it with one, or bring an image with source.image`;
  }
  const image = runtimes[runtime];
  if (image !== undefined) return { image, runtime };
  return `it needs ${runtime}, and this target has no image for that: an administrator sets runtimes.${runtime} of the target in the server's settings, or bring one with source.image`;
}

function onlyOne(runtimes: Runtimes): Runtime | null {
  const set = names.filter((name) => runtimes[name] !== undefined);
  return set.length === 1 ? (set[0] ?? null) : null;
}
