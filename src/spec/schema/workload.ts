import type { Schema } from "./build.ts";
import { field, list, map, object } from "./build.ts";
import { shapes, text } from "./patterns.ts";

const scalar: Schema = { type: ["string", "number", "boolean"] };

const git = field("A Git repository.", [{ url: "https://git.example.org/team/ranker.git", ref: "v1.4" }], {
  ...object({
    url: field(
      "Where it is, by https or ssh. Without it: this repository.",
      ["https://git.example.org/team/ranker.git", "git@git.example.org:team/ranker.git"],
      { type: "string", minLength: 1, maxLength: 2000 },
    ),
    ref: field(
      "A branch, tag or commit. Without it: the default branch of `url`.",
      ["v1.4", "release-3", "9f2c1e4d0b7a6c5e8f3a2b1c0d9e8f7a6b5c4d3e"],
      { ...text("ref"), maxLength: 200 },
    ),
  }),
  minProperties: 1,
});

const path = field(
  "A folder of the repository: only its content is the source. Without it: all of it.",
  ["services/ranker"],
  { ...text("visible"), maxLength: 1000 },
);

const command = { ...text("visible"), maxLength: 20_000 };

const gpu = field("Graphics cards.", [{ count: 1, type: "h100" }], {
  ...object({
    count: field("How many; 1 by default.", [1, 4], { type: "integer", minimum: 1, maximum: 64 }),
    type: field("Which kind, as the target calls it; any by default.", ["h100", "l4"], {
      ...text("visible"),
      maxLength: 100,
    }),
    slice: field("A part of one card, as the target calls it; the whole card by default.", ["1g.10gb"], {
      ...text("visible"),
      maxLength: 100,
    }),
  }),
});

export const customSize = {
  cpu: field("Cores.", [2, 0.5, "500m"], {
    type: ["number", "string"],
    exclusiveMinimum: 0,
    maximum: 4096,
    pattern: shapes.cpu.pattern,
  }),
  memory: field("Memory, in bytes or with a unit.", ["4Gi", "512Mi"], {
    type: ["string", "integer"],
    minimum: 1,
    pattern: shapes.bytes.pattern,
  }),
  disk: field("Room for files written at run time, in bytes or with a unit; the target's own by default.", ["20Gi"], {
    type: ["string", "integer"],
    minimum: 1,
    pattern: shapes.bytes.pattern,
  }),
  gpu,
  spot: field("May be taken away at any time, for a lower price; false by default.", [true], { type: "boolean" }),
};

const sizeText = "A size from the server's catalogue, or one written out; `cpu-small` by default.";
const sizeExamples = ["gpu-small", { cpu: 2, memory: "4Gi", gpu: { count: 1, type: "h100", slice: "1g.10gb" } }];
const partialSize: Schema = { ...object(customSize), type: ["string", "object"], minLength: 1 };
const size: Schema = { ...partialSize, required: ["cpu", "memory"] };

const file = {
  content: field("What it holds.", ["level = 3\n"], { type: "string" }),
  mode: field("Who may read, write and execute it, in octal and in quotes; 0644 by default.", ["0644", "0755"], {
    ...text("mode"),
  }),
};

const filesText = "Files to write before the program starts: by path, from the working folder on or absolute.";
const filesExamples = [{ "config/app.toml": { content: "level = 3\n", mode: "0644" } }];
const filePath = { ...text("visible"), maxLength: 1000 };
const fileText = "A file to write.";
const fileExamples = [{ content: "level = 3\n" }];

const secret = field("A secret, handed over either as a variable or as a file.", [{ name: "ranker-db", env: "DB" }], {
  ...object(
    {
      name: field("Its name, as in `waybill secret set NAME`.", ["ranker-db"], text("secret")),
      key: field(
        "Takes the value from a Secret that is already in the environment's namespace of its cluster: `name` is the " +
          "Secret's, this is the key in it. Waybill then keeps no value.",
        ["password"],
        { ...text("secretKey"), maxLength: 253 },
      ),
      env: field("The variable that holds its value.", ["DATABASE_URL"], text("variable")),
      file: field("The file that holds its value, absolute or from the working folder on.", ["/etc/ranker/ca.pem"], {
        ...text("visible"),
        maxLength: 1000,
      }),
    },
    ["name"],
  ),
});

const source = object({
  path,
  image: field(
    "A container image with its digest, instead of files of a repository.",
    [`ghcr.io/a/b@sha256:${"0".repeat(64)}`],
    {
      type: "string",
      minLength: 1,
      maxLength: 1000,
    },
  ),
  git,
});

/** What every deployment that runs a program may say. */
export const workloadFields: Readonly<Record<string, Schema>> = {
  source: field(
    "Where the program's files come from: this repository at the snapshot, another one, or a container image.",
    [{ path: "services/ranker" }, { git: { url: "https://git.example.org/team/ranker.git", ref: "v1.4" } }],
    { ...source, minProperties: 1, dependentSchemas: { image: { properties: { path: false, git: false } } } },
  ),
  build: field(
    "A shell command that runs once per source tree; what it leaves in the tree is kept.",
    ["npm ci"],
    command,
  ),
  startScript: field(
    "A shell command that runs at each start, before `command`. Its failure is reported as its own.",
    ["./warm-cache.sh"],
    command,
  ),
  command: field(
    "The shell command that is the program. An image without one runs its own.",
    ["python -m ranker"],
    command,
  ),
  workingDir: field(
    "The folder that commands run in, from the source's on; absolute within an image. `.` by default.",
    [".", "app"],
    filePath,
  ),
  size: field(sizeText, sizeExamples, size),
  env: field("Variables for the program. Numbers and booleans become text.", [{ LOG_LEVEL: "info" }], {
    ...map(field("A variable's value.", ["info"], scalar), text("variable")),
  }),
  requiredEnv: field(
    "Variables that must come from somewhere, such as a secret or an overlay: otherwise the plan stops.",
    [["RANKER_KEY"]],
    list(field("A variable's name.", ["RANKER_KEY"], text("variable")), { uniqueItems: true }),
  ),
  files: field(filesText, filesExamples, map(field(fileText, fileExamples, object(file, ["content"])), filePath)),
  secrets: field(
    "Secrets that the program gets. Their values are kept by the server, never in Git.",
    [[{ name: "ranker-db", env: "DATABASE_URL" }]],
    list(secret, { maxItems: 200 }),
  ),
  stopTimeout: field(
    "How long the program may take to stop before it is ended; 30s by default.",
    ["1m"],
    text("duration"),
  ),
};

/** What deployments that go on running may say. */
export const rolloutFields: Readonly<Record<string, Schema>> = {
  rollout: field(
    "How a new revision takes over where room is scarce. `surge`: only ever beside the old one. `handover`: the old one " +
      "stops first, and comes back if the new one fails. `wait`: in line until there is room beside the old one, and " +
      "in its place only where there can never be. By default `surge` where there is room for both, else `handover`.",
    ["handover"],
    { enum: ["surge", "handover", "wait"] },
  ),
};

/** What deployments that take over from a revision before may say. */
export const deployFields: Readonly<Record<string, Schema>> = {
  deploy: field(
    "Jobs of the same files that run once for each new revision. `waybill pause`, `restart` and a rollback run none.",
    [{ before: "migrate", after: "smoke-test" }],
    {
      ...object({
        before: field(
          "Must complete before the new revision takes over; if it fails, what ran before goes on.",
          ["migrate"],
          text("name"),
        ),
        after: field("Runs once the new revision is live; its failure is shown, and undoes nothing.", ["smoke-test"], {
          ...text("name"),
        }),
      }),
      minProperties: 1,
    },
  ),
};

/** The same where an overlay gives only what differs. */
export const workloadOverlayFields: Readonly<Record<string, Schema>> = {
  sizeOverlay: field(sizeText, sizeExamples, partialSize),
  filesOverlay: field(filesText, filesExamples, map(field(fileText, fileExamples, object(file)), filePath)),
};
