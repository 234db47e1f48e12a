import type { Runtime } from "../runtimes.ts";

/**
 * What the containers of a pod run before the program, in its runtime's own image, which holds nothing of ours. They
 * read SOURCE_URL, SOURCE_HOST (the Host header) and SOURCE_FOLDER. A server that restarts is waited for.
 */
export const fetchCommand: Readonly<Record<Runtime, readonly string[]>> = {
  node: [
    "node",
    "-e",
    String.raw`
const { SOURCE_URL, SOURCE_HOST, SOURCE_FOLDER } = process.env;
const url = new URL(SOURCE_URL);
const client = require(url.protocol === "https:" ? "node:https" : "node:http");
const { createGunzip } = require("node:zlib");
const { pipeline } = require("node:stream");
const fail = (why) => { console.error("waybill: the source cannot be fetched: " + why); process.exit(1); };
// A packet that is lost on the way costs seconds, not minutes; what has begun may take its time, and so may a starved node.
const impatient = (request) =>
  request.once("socket", (socket) => {
    socket.setTimeout(15_000, () => request.destroy(new Error("no answer from " + url.host)));
    socket.once("connect", () => socket.setTimeout(300_000));
  });
const attempt = (left) => {
  const again = (why) => (left > 0 ? setTimeout(attempt, 500, left - 1) : fail(why));
  const options = { headers: { host: SOURCE_HOST, connection: "close" }, servername: url.hostname };
  impatient(client.get(url, options, (answer) => {
    if (answer.statusCode !== 200) {
      let said = "";
      answer.on("data", (piece) => (said += piece));
      answer.on("end", () => (answer.statusCode < 500 ? fail : again)(answer.statusCode + " " + said.slice(0, 300)));
      return;
    }
    const tar = require("node:child_process").spawn("tar", ["-xf", "-", "-C", SOURCE_FOLDER], { stdio: ["pipe", "inherit", "inherit"] });
    tar.once("error", (error) => fail("tar: " + error.message));
    tar.once("exit", (status) => (status === 0 ? process.exit(0) : fail("tar ended with status " + status)));
    pipeline(answer, createGunzip(), tar.stdin, (error) => error && fail(error.message));
  })).on("error", (error) => again(error.message));
};
attempt(120);
`.trim(),
  ],
  python: [
    "python3",
    "-c",
    String.raw`
import os, sys, tarfile, time, urllib.error, urllib.request
why = ""
for left in range(120):
    try:
        request = urllib.request.Request(os.environ["SOURCE_URL"], headers={"Host": os.environ["SOURCE_HOST"]})
        with urllib.request.urlopen(request, timeout=300) as answer, tarfile.open(fileobj=answer, mode="r|gz") as tar:
            options = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            tar.extractall(os.environ["SOURCE_FOLDER"], **options)
        sys.exit(0)
    except urllib.error.HTTPError as error:
        why = "%d %s" % (error.code, error.read(300).decode("utf-8", "replace"))
        if error.code < 500:
            break
    except OSError as error:
        why = str(error)
    time.sleep(0.5)
sys.exit("waybill: the source cannot be fetched: " + why)
`.trim(),
  ],
};

/**
 * Hands SOURCE_FOLDER, as it is then, to the server at UPLOAD_URL. Ends with status 1 where another attempt may do it, and
 * with 2 where none will.
 */
export const uploadCommand: Readonly<Record<Runtime, readonly string[]>> = {
  node: [
    "node",
    "-e",
    String.raw`
const { UPLOAD_URL, SOURCE_HOST, SOURCE_FOLDER } = process.env;
const url = new URL(UPLOAD_URL);
const client = require(url.protocol === "https:" ? "node:https" : "node:http");
const { createGzip } = require("node:zlib");
const { pipeline } = require("node:stream");
const fail = (why, status = 1) => { console.error("waybill: it cannot be handed over: " + why); process.exit(status); };
// A packet that is lost on the way costs seconds, not minutes; what has begun may take its time, and so may a starved node.
const impatient = (request) =>
  request.once("socket", (socket) => {
    socket.setTimeout(15_000, () => request.destroy(new Error("no answer from " + url.host)));
    socket.once("connect", () => socket.setTimeout(300_000));
  });
const headers = { host: SOURCE_HOST, connection: "close", "content-type": "application/gzip" };
const request = client.request(url, { method: "PUT", headers, servername: url.hostname }, (answer) => {
  let said = "";
  answer.on("data", (piece) => (said += piece));
  answer.on("end", () => (answer.statusCode === 204 ? process.exit(0) : fail(answer.statusCode + " " + said.slice(0, 300), answer.statusCode < 500 ? 2 : 1)));
});
// A server that refuses answers before it has read all: its answer says more than that it hung up.
const failUnlessAnswered = (...why) => setTimeout(fail, 500, ...why);
impatient(request).on("error", (error) => failUnlessAnswered(error.message));
const tar = require("node:child_process").spawn("tar", ["-cf", "-", "-C", SOURCE_FOLDER, "."], { stdio: ["ignore", "pipe", "inherit"] });
tar.once("error", (error) => fail("tar: " + error.message, 2));
tar.once("exit", (status) => status !== 0 && failUnlessAnswered("tar ended with status " + status, 2));
pipeline(tar.stdout, createGzip({ level: 1 }), request, (error) => error && failUnlessAnswered(error.message));
`.trim(),
  ],
  python: [
    "python3",
    "-c",
    String.raw`
import os, sys, tarfile, tempfile, urllib.error, urllib.request
try:
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            tar.add(os.environ["SOURCE_FOLDER"], arcname=".")
        size = file.tell()
        file.seek(0)
        headers = {"Host": os.environ["SOURCE_HOST"], "Content-Length": str(size), "Content-Type": "application/gzip"}
        request = urllib.request.Request(os.environ["UPLOAD_URL"], data=file, headers=headers, method="PUT")
        urllib.request.urlopen(request, timeout=600).close()
except urllib.error.HTTPError as error:
    print("waybill: it cannot be handed over: %d %s" % (error.code, error.read(300).decode("utf-8", "replace")), file=sys.stderr)
    sys.exit(2 if error.code < 500 else 1)
except urllib.error.URLError as error:
    sys.exit("waybill: it cannot be handed over: %s" % error)
except OSError as error:
    print("waybill: it cannot be handed over: %s" % error, file=sys.stderr)
    sys.exit(1 if isinstance(error, (ConnectionError, TimeoutError)) else 2)
`.trim(),
  ],
};

// A server that restarts is waited for here, too.
const handOverText = `left=30
until "$@"; do
  [ $? = 1 ] && left=$((left - 1)) && [ $left -gt 0 ] || exit 1
  sleep 2
done`;

/** `uploadCommand`, again and again while another attempt may do it, for some minutes. */
export const handOverCommand = (runtime: Runtime): readonly string[] => [
  "/bin/sh",
  "-c",
  handOverText,
  "upload",
  ...uploadCommand[runtime],
];
