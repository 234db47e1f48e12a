import type { SourceFile } from "../../spec/problem.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { json, type Route } from "../route.ts";
import { environmentRef } from "./environments.ts";

interface PlanBody {
  readonly files: readonly { readonly path: string; readonly content: string; readonly encoding?: "utf8" | "base64" }[];
  readonly trees: Readonly<Record<string, string>>;
}

// Every deployment file of a large repository: 10,000 files of a kilobyte or so.
const maxPlanBytes = 32 * 1024 * 1024;

export const planRoutes = ({ release }: HttpDependencies): readonly Route[] => [
  {
    method: "POST",
    path: "/api/v1/repositories/:repository/environments/:environment/plan",
    audience: "member",
    voice: "api",
    summary: "What a working tree would change; nothing is changed",
    body: "PlanRequest",
    maxBodyBytes: maxPlanBytes,
    takesAnyText: true,
    answer: { status: 200, schema: "Plan" },
    async handle(call) {
      const { files, trees } = call.body as PlanBody;
      return json(await release.plan({ ...environmentRef(call), files: files.map(sourceFile), trees }));
    },
  },
];

const sourceFile = ({ path, content, encoding }: PlanBody["files"][number]): SourceFile => ({
  path,
  bytes: Buffer.from(content, encoding ?? "utf8"),
});
