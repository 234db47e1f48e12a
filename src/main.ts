#!/usr/bin/env node
import { runCommandLine } from "./cli/program.ts";
import { wantsColour } from "./cli/terminal.ts";

const isServer = ["serve", "demo"].includes(process.argv[2] ?? "");

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
