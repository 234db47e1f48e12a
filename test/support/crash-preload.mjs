// Loaded first into a server under test: counts its durable effects once the file WAYBILL_CRASH_FILE exists, and kills
// the process right after the one whose number stands in that file. Nothing in the server knows of it.
import childProcess from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import pg from "pg";

const file = process.env.WAYBILL_CRASH_FILE;
let count = 0;

function effect(what) {
  let wanted;
  try {
    wanted = Number(fs.readFileSync(file, "utf8"));
  } catch {
    return;
  }
  count += 1;
  fs.appendFileSync(`${file}.effects`, `${count} ${what}\n`);
  if (count === wanted) process.kill(process.pid, "SIGKILL");
}

const isWrite = (text) => /^\s*(insert|update|delete|commit)\b/i.test(text);

// oxlint-disable-next-line unbound-method -- called with the client it belongs to
const query = pg.Client.prototype.query;
pg.Client.prototype.query = function counted(...args) {
  const text = typeof args[0] === "string" ? args[0] : (args[0]?.text ?? "");
  const answer = query.apply(this, args);
  if (!isWrite(text)) return answer;
  const note = () => effect(`sql ${text.slice(0, 60).replaceAll(/\s+/g, " ")}`);
  const callback = args.findLast((arg) => typeof arg === "function");
  if (!callback && typeof answer?.then === "function") {
    return answer.then((result) => {
      note();
      return result;
    });
  }
  note();
  return answer;
};

/** What a start is as an effect, and when it has taken place; null where it leaves nothing behind. */
function startEffect(command, args) {
  if (args.includes("tag") || args.includes("update-ref")) {
    return { at: "ended", what: `git ${args.slice(0, 3).join(" ")}` };
  }
  return /git/.test(command) ? null : { at: "started", what: `spawn ${command}` };
}

const { spawn, fork } = childProcess;
childProcess.spawn = function counted(command, args, ...rest) {
  const child = spawn.call(this, command, args, ...rest);
  const start = startEffect(command, Array.isArray(args) ? args : []);
  // First in line: the kill comes before anybody acts on the outcome.
  if (start?.at === "ended") child.prependOnceListener("close", () => effect(start.what));
  else if (start) effect(start.what);
  return child;
};
// What the spawner starts for the server counts as its own.
childProcess.fork = function counted(...given) {
  const child = fork.apply(this, given);
  const starts = new Map();
  const send = child.send.bind(child);
  child.send = (message, ...rest) => {
    if (message.kind === "spawn") starts.set(message.id, startEffect(message.command, message.args));
    return send(message, ...rest);
  };
  child.prependListener("message", ({ kind, id }) => {
    const start = starts.get(id);
    if (start?.at === kind) effect(start.what);
  });
  return child;
};

for (const name of ["renameSync", "mkdirSync"]) {
  const original = fs[name];
  fs[name] = function counted(...args) {
    const result = original.apply(this, args);
    effect(`fs ${name}`);
    return result;
  };
}
for (const name of ["rename", "rm"]) {
  const original = fs.promises[name];
  fs.promises[name] = async function counted(...args) {
    const result = await original.apply(this, args);
    effect(`fs ${name}`);
    return result;
  };
}
syncBuiltinESMExports();
