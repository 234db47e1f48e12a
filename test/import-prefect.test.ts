import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const python = process.env["WAYBILL_TEST_PREFECT_PYTHON"];
const skip = python === undefined && "WAYBILL_TEST_PREFECT_PYTHON names no Python that has prefect";
const main = join(import.meta.dirname, "../src/main.ts");

const flow = `import json, os
from prefect import flow, task

@task
def double(number: int) -> int:
    return number * 2

@flow
def load_all(limit: int = 1, source: str = ""):
    with open(os.environ["WAYBILL_RESULT"], "w") as file:
        json.dump({"doubled": double(limit), "source": source}, file)

@flow
async def load_async(limit: int = 1):
    with open(os.environ["WAYBILL_RESULT"], "w") as file:
        json.dump({"awaited": limit}, file)
`;

const prefectYaml = `deployments:
  - name: load
    entrypoint: flows/load.py:load_all
    parameters: {limit: 10, source: "a; echo b"}
  - name: load-async
    entrypoint: flows/load.py:load_async
    parameters: {limit: 10}
`;

// Its server takes longer than its usual 20 s to come up on a busy machine.
const profile = `active = "default"

[profiles.default]
PREFECT_SERVER_ALLOW_EPHEMERAL_MODE = "true"
PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS = "240"
`;

test(
  "flows of Prefect, async ones too, are imported and run by Prefect's own package, unchanged",
  { skip },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "waybill-prefect-"));
    try {
      await mkdir(join(folder, "flows"));
      await writeFile(join(folder, "flows/load.py"), flow);
      await writeFile(join(folder, "prefect.yaml"), prefectYaml);
      await mkdir(join(folder, ".prefect"));
      await writeFile(join(folder, ".prefect/profiles.toml"), profile);
      const env = {
        ...process.env,
        HOME: folder,
        PATH: `${dirname(python ?? "")}:${process.env["PATH"]}`,
      };
      await run(process.execPath, [main, "import", "prefect"], { cwd: folder, env });
      const execute = async (name: string): Promise<unknown> => {
        const line = [main, "execute", `deployments/${name}.yaml`, "--param", "limit=21", "--json"];
        const { stdout } = await run(process.execPath, line, { cwd: folder, env, timeout: 300_000 });
        return JSON.parse(stdout);
      };
      const completed = { state: "Completed", exitStatus: 0 };
      assert.deepEqual(await execute("load"), { ...completed, result: { doubled: 42, source: "a; echo b" } });
      assert.deepEqual(await execute("load-async"), { ...completed, result: { awaited: 21 } });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
