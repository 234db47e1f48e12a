import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { stopGateways } from "../../src/gateway/launch.ts";
import { ask, type Asked } from "./ask.ts";
import { endLeftOvers } from "./left-overs.ts";
import { testDatabase } from "./postgres.ts";
import { workingCopy, type WorkingCopy } from "./repository.ts";
import { programsBelow } from "./served.ts";
import { freePort, newToken, startServerProcess, type ServerProcess } from "./server-process.ts";

/** Several servers on one database and one data folder, each with a gateway of its own. */
export interface ReplicaWorld {
  readonly data: string;
  readonly token: string;
  readonly databaseUrl: string;
  readonly pool: pg.Pool;
  start(
    name: string,
    options?: { env?: Record<string, string>; config?: string; port?: number },
  ): Promise<ServerProcess>;
  /** A clone that pushes to that server's gateway. */
  clone(repository: string, by: ServerProcess): Promise<WorkingCopy>;
  get(by: ServerProcess, label: string, path?: string): Promise<Asked>;
  /** How many `node main.js` run. */
  programs(): Promise<number>;
  close(): Promise<void>;
}

export async function replicaWorld(): Promise<ReplicaWorld> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-replicas-"));
  // Programs that run as other users must reach what lies below.
  await chmod(folder, 0o711);
  const data = join(folder, "data");
  const token = newToken();
  const database = await testDatabase();
  const started: ServerProcess[] = [];

  const start: ReplicaWorld["start"] = async (name, { env = {}, config, port } = {}) => {
    const server = await startServerProcess({
      data,
      port: port ?? (await freePort()),
      token,
      stopWorkloads: false,
      env: {
        DATABASE_URL: database.url,
        WAYBILL_REPLICA: name,
        WAYBILL_ALLOW_FILE_URLS: "true",
        WAYBILL_POLL_INTERVAL: "1s",
        ...env,
      },
      ...(config !== undefined && { config }),
    });
    started.push(server);
    return server;
  };

  return {
    data,
    token,
    databaseUrl: database.url,
    pool: database.pool,
    start,
    async clone(repository, { port }) {
      const work = await workingCopy(join(folder, `${repository}-${port}`));
      await work.git("remote", "add", "origin", `http://localhost:${port}/git/${repository}.git`);
      await work.git("config", "http.extraHeader", `Authorization: Bearer ${token}`);
      return work;
    },
    get: ({ port }, label, path = "/") => ask({ port, host: `${label}.localhost:${port}`, path }),
    programs: async () => (await programsBelow(data)).filter(({ command }) => command === "node main.js").length,
    async close() {
      for (const server of started) {
        server.child.kill("SIGCONT");
        await server.stop();
      }
      const names = await readdir(join(data, "replicas")).catch(() => []);
      for (const name of names) await stopGateways(join(data, "replicas", name));
      await endLeftOvers(folder);
      await database.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
