import { readdir, readFile, readlink } from "node:fs/promises";

/** Command lines of the processes that work in the folder, or whose command line or environment names it. */
export async function leftOvers(folder: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [cwd, command, environment] = await Promise.all([
        readlink(`/proc/${pid}/cwd`).catch(() => ""),
        readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
        readFile(`/proc/${pid}/environ`, "utf8").catch(() => ""),
      ]);
      const isOurs = [cwd, command, environment].some((text) => text.includes(folder));
      return isOurs ? [`${pid} ${command.replaceAll("\0", " ").trim()}`] : [];
    }),
  );
  return found.flat();
}
