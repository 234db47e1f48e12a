import type { Schema } from "./build.ts";
import { field, list, object, ref } from "./build.ts";
import { shapes, text } from "./patterns.ts";

const visibility = field(
  "`public`: everybody; `signed-in` (the default): whoever has an account; `viewers`: those of `viewers` alone.",
  ["signed-in"],
  { enum: ["public", "signed-in", "viewers"] },
);

const route = {
  subdomain: field(
    "The first label of the host name: LABEL.DOMAIN in production, ENVIRONMENT--LABEL.DOMAIN elsewhere.",
    ["ranker-admin"],
    text("name"),
  ),
  access: ref("access"),
};

const port: Schema = { type: "integer", minimum: 1, maximum: 65_535 };

const replicaCount: Schema = { type: "integer", maximum: 1000 };

const replicas = {
  min: field("The fewest. 0: it sleeps when idle and wakes on a request. 1 by default.", [0, 1], {
    ...replicaCount,
    minimum: 0,
  }),
  max: field("The most; as many as `min` by default.", [4], { ...replicaCount, minimum: 1 }),
  targetCpu: field("Percent of the CPU in use at which another one is started; 80 by default.", [70], {
    type: "integer",
    minimum: 1,
    maximum: 100,
  }),
  idleAfter: field(
    "With `min: 0`: how long without a request until it sleeps; 15m by default.",
    ["15m"],
    text("duration"),
  ),
};

/** What deployments that answer requests may say. */
export const routingFields: Readonly<Record<string, Schema>> = {
  port: field("The port that the program listens on, on 0.0.0.0. PORT is set to it. 8000 by default.", [8000], port),
  health: field(
    "A path that answers 200 to 399 when the program is ready, or more about how to ask. Without it a listening port is enough.",
    ["/healthz", { path: "/healthz", startTimeout: "5m" }],
    {
      ...object({
        path: field("The path to ask; without it a listening port is enough.", ["/healthz"], text("urlPath")),
        interval: field("How often to ask; 10s by default.", ["10s"], text("duration")),
        timeout: field("How long an answer may take; 5s by default.", ["5s"], text("duration")),
        startTimeout: field("How long the first answer may take from the start on; 2m by default.", ["5m"], {
          ...text("duration"),
        }),
      }),
      type: ["string", "object"],
      pattern: shapes.urlPath.pattern,
    },
  ),
  replicas: field("How many of it run at once: a number, or between which.", [2, { min: 0, max: 4, targetCpu: 70 }], {
    ...object(replicas),
    type: ["integer", "object"],
    minimum: 1,
    maximum: 1000,
  }),
  subdomain: field("The first label of the host name, where the deployment's name will not do.", ["ranker-v2"], {
    ...text("name"),
  }),
  access: field(
    "Who may open it. Without a word about it, whoever is signed in.",
    [{ visibility: "signed-in", viewers: ["group:search"], public: ["/healthz", "/hooks/*"] }],
    object({
      visibility,
      viewers: field(
        "Who may open it with `visibility: viewers`: `user:NAME`, `group:NAME` or `client:NAME`.",
        [["group:search", "user:ada"]],
        list(field("A user, a group or a client.", ["group:search"], text("viewer")), { uniqueItems: true }),
      ),
      public: field(
        "Paths that need no sign-in. A `*` at the end stands for the rest.",
        [["/healthz", "/hooks/*"]],
        list(field("A path.", ["/hooks/*"], text("publicPath")), { uniqueItems: true }),
      ),
    }),
  ),
  routes: field(
    "Host names beside the deployment's own.",
    [[{ subdomain: "ranker-admin", port: 9000, access: { visibility: "viewers" } }]],
    list(
      field("One more host name.", [{ subdomain: "ranker-admin", port: 9000 }], {
        ...object(
          {
            ...route,
            port: field("The port that it leads to; the deployment's `port` by default.", [9000], port),
            protocol: field("What is spoken there; `http`, WebSocket included, by default.", ["grpc"], {
              enum: ["http", "grpc"],
            }),
            component: field("The component that it leads to; `main` by default.", ["ranker"], text("name")),
          },
          ["subdomain"],
        ),
      }),
      { maxItems: 50 },
    ),
  ),
};

/** Fields of one name that mean less for some kinds. */
export const routingVariants: Readonly<Record<string, Schema>> = {
  siteRoutes: field(
    "Host names beside the site's own.",
    [[{ subdomain: "handbook" }]],
    list(field("One more host name.", [{ subdomain: "handbook" }], object(route, ["subdomain"])), { maxItems: 50 }),
  ),
  workerReplicas: field("How many of it run at once: a number, or between which.", [2, { min: 1, max: 4 }], {
    ...object({
      min: field("The fewest; 1 by default.", [1], { ...replicaCount, minimum: 1 }),
      max: replicas.max,
      targetCpu: replicas.targetCpu,
    }),
    type: ["integer", "object"],
    minimum: 1,
    maximum: 1000,
  }),
};
