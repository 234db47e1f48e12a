import type { ProbedDoor } from "../../src/targets/kubernetes/entrance/verdict.ts";

/** Of the deployment `web`, closed by its cluster's own entrance. */
export const webDoor: ProbedDoor = {
  host: "web",
  url: "https://web.apps.example.org",
  path: "/",
  isPublic: false,
  signIn: "https://apps.example.org/sign-in",
  by: "controller",
};
