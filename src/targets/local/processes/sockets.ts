import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { platform } from "node:os";
import { processesMarked } from "./process-table.ts";

const listenState = "0A";

/** TCP ports on which a process that carries `marker` listens; null where the system does not tell. */
export function listeningPorts(marker: string): readonly number[] | null {
  if (platform() !== "linux") return null;
  const inodes = new Set(processesMarked(marker).flatMap(socketInodes));
  if (inodes.size === 0) return [];
  const rows = [...tableRows("/proc/net/tcp"), ...tableRows("/proc/net/tcp6")];
  return [...new Set(rows.filter(({ inode }) => inodes.has(inode)).map(({ port }) => port))];
}

function socketInodes(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : [inode];
    });
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

interface SocketRow {
  readonly port: number;
  readonly inode: string;
}

/** Columns of /proc/net/tcp: sl, local_address, rem_address, st, …, inode (proc_net(5)). */
function tableRows(path: string): readonly SocketRow[] {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      const [, local = "", , state = ""] = columns;
      const inode = columns[9];
      const [, port = ""] = local.split(":");
      if (state !== listenState || inode === undefined) return [];
      return [{ port: Number.parseInt(port, 16), inode }];
    });
}
