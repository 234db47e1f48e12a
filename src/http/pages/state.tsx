import type { JSX } from "hono/jsx/jsx-runtime";
import type { DeploymentState } from "../../release/views.ts";
import { assetPath } from "../assets/assets.ts";

/** What a state means for somebody who looks for trouble: told by shape and word, and by colour besides. */
export const toneOf = {
  ready: "good",
  sleeping: "rest",
  paused: "rest",
  stopped: "rest",
  draft: "rest",
  waiting: "busy",
  building: "busy",
  starting: "busy",
  degraded: "warn",
  failed: "bad",
} as const satisfies Record<DeploymentState, string>;

const online: ReadonlySet<DeploymentState> = new Set(["ready", "sleeping", "degraded"]);

/** Answers requests, or will when one comes. */
export const isOnline = (state: DeploymentState): boolean => online.has(state);

export type Tone = (typeof toneOf)[DeploymentState];

export const StateBadge = ({ state }: { state: DeploymentState }): JSX.Element => (
  <Badge tone={toneOf[state]} text={state} />
);

export function Badge({ tone, text }: { tone: Tone; text: string }): JSX.Element {
  return (
    <span class={`state ${tone}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <use href={`${assetPath("mark.svg")}#${tone}`} />
      </svg>
      {text}
    </span>
  );
}
