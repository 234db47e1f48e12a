import type { ClosedDoor } from "../../src/targets/kubernetes/entrance/verdict.ts";

/** Of the deployment `web`, closed by its cluster's own entrance. */
export const webDoor: ClosedDoor = {
  host: "web",
  url: "https://web.apps.example.org",
  path: "/",
  signIn: "https://apps.example.org/sign-in",
  by: "controller",
};
