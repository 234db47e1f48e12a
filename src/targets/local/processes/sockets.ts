import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { platform } from "node:os";
import { processesMarked } from "./process-table.ts";

export interface ListeningSocket {
  readonly port: number;
  /** Only programs on this machine can reach it. */
  readonly isLoopbackOnly: boolean;
}

const listenState = "0A";

/** TCP ports on which a process that carries `marker` listens; null where the system does not tell. */
export function listeningSockets(marker: string): readonly ListeningSocket[] | null {
  if (platform() !== "linux") return null;
  const inodes = new Set(processesMarked(marker).flatMap(socketInodes));
  if (inodes.size === 0) return [];
  const rows = [...tableRows("/proc/net/tcp"), ...tableRows("/proc/net/tcp6")];
  return rows.filter(({ inode }) => inodes.has(inode)).map(({ port, isLoopbackOnly }) => ({ port, isLoopbackOnly }));
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

/** Columns of /proc/net/tcp: sl, local_address, rem_address, st, …, inode (proc_net(5)); addresses in host byte order. */
function tableRows(path: string): readonly (ListeningSocket & { readonly inode: string })[] {
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
      const [address = "", port = ""] = local.split(":");
      if (state !== listenState || inode === undefined) return [];
      return [{ port: Number.parseInt(port, 16), isLoopbackOnly: isLoopback(address), inode }];
    });
}

function isLoopback(hex: string): boolean {
  // 127.0.0.0/8 little-endian, ::1, and ::ffff:127.0.0.0/8.
  return (
    (hex.length === 8 && hex.endsWith("7F")) ||
    hex === "00000000000000000000000001000000" ||
    /^0{16}FFFF0000.{6}7F$/.test(hex)
  );
}
