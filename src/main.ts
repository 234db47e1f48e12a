#!/usr/bin/env node
import { runCommandLine } from "./cli/program.ts";
import { wantsColour } from "./cli/terminal.ts";

// npm only warns of an older Node, where the first thing missing would pass for a defect.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`waybill needs Node 22.18 or newer, and this is ${process.versions.node}\n`);
  process.exit(78);
}

const isServer = ["serve", "demo", "gateway"].includes(process.argv[2] ?? "");

// `waybill history | head` closes the pipe early: that is no failure. A server goes on without a listener.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (!isServer) process.exit(0);
});

process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  isColoured: wantsColour(process.env, process.stdout.isTTY),
  columns: process.stdout.columns ?? 80,
  signal: new AbortController().signal,
});
