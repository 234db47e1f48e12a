import type { Child } from "hono/jsx";
import type { JSX } from "hono/jsx/jsx-runtime";
import type { FollowerView, RunView } from "../../../runs/view.ts";
import { Coming, Moment } from "../moment.tsx";
import { bytesText, durationText } from "./figures.ts";
import { originText, runPath } from "./rows.tsx";

interface FactsProps {
  readonly run: RunView;
  /** What its end has started. */
  readonly followers: readonly FollowerView[];
  readonly now: Date;
}

/** What is known of a run in single figures; what is not known is left out. */
export function Facts({ run, followers, now }: FactsProps): JSX.Element {
  const { scheduledFor, startedAt, durationMs, attempt, exitStatus, signal, peakMemoryBytes, snapshot, commit } = run;
  const isToCome = startedAt === null && Date.parse(scheduledFor) > now.getTime();
  return (
    <>
      <Fact name="Started by">{originText(run).replace(/^by /, "")}</Fact>
      {run.rerunOf !== null && (
        <Fact name="Rerun of">
          <a href={runPath(run.rerunOf)}>{run.rerunOf}</a>
        </Fact>
      )}
      {run.trigger.kind === "after" && run.trigger.id !== null && (
        <Fact name="After run">
          <a id="after-run" href={runPath(run.trigger.id)}>
            {run.trigger.id}
          </a>
        </Fact>
      )}
      {run.trigger.kind === "event" && <Fact name="Delivery">{run.trigger.id}</Fact>}
      {followers.length > 0 && (
        <Fact name="Has started">
          {followers.map(({ id, job, state }) => (
            <>
              <a id={`follower-${id}`} href={runPath(id)}>
                {job}
              </a>{" "}
              ({state}){" "}
            </>
          ))}
        </Fact>
      )}
      <Fact name="For">
        {isToCome ? <Coming at={scheduledFor} now={now} /> : <Moment at={scheduledFor} now={now} />}
      </Fact>
      {startedAt !== null && (
        <Fact name="Started">
          <Moment at={startedAt} now={now} />
        </Fact>
      )}
      {durationMs !== null && <Fact name="Took">{durationText(durationMs)}</Fact>}
      {attempt > 1 && <Fact name="Attempt">{attempt}</Fact>}
      {exitStatus !== null && <Fact name="Exit status">{exitStatus}</Fact>}
      {signal !== null && <Fact name="Signal">{signal}</Fact>}
      {peakMemoryBytes !== null && <Fact name="Peak memory">{bytesText(peakMemoryBytes)}</Fact>}
      {snapshot !== null && <Fact name="Snapshot">{snapshot}</Fact>}
      <Fact name="Commit">{commit.slice(0, 7)}</Fact>
    </>
  );
}

const Fact = ({ name, children }: { name: string; children?: Child }): JSX.Element => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);
