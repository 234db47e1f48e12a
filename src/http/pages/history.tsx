import type { JSX } from "hono/jsx/jsx-runtime";
import type { FieldChange } from "../../release/define/differences.ts";
import type { Change } from "../../release/plan.ts";
import type { SnapshotView } from "../../release/views.ts";
import { Moment } from "./moment.tsx";

interface HistoryProps {
  readonly snapshots: readonly SnapshotView[];
  readonly now: Date;
  /** The form's address, and the deployment that may go back alone; null for somebody who may not. */
  readonly rollback: { readonly action: string; readonly only: string | null } | null;
}

export function History({ snapshots, now, rollback }: HistoryProps): JSX.Element {
  if (snapshots.length === 0) return <p class="nothing">No snapshot yet.</p>;
  return (
    <ol class="history">
      {snapshots.map((snapshot) => (
        <li class={snapshot.active ? "active" : undefined}>
          <Entry snapshot={snapshot} now={now} />
          {rollback && !snapshot.live && !snapshot.deleted && <RollbackForm snapshot={snapshot} {...rollback} />}
        </li>
      ))}
    </ol>
  );
}

function Entry({ snapshot, now }: { snapshot: SnapshotView; now: Date }): JSX.Element {
  const { tag, number, commit, subject, actor, at, reason, reverts, only, active, live } = snapshot;
  const changes = snapshot.changes.filter(({ action }) => action !== "unchanged");
  return (
    <>
      <p class="entry">
        <span class="number" title={tag}>
          <span class="unseen">Snapshot </span>
          {number}
        </span>
        <span class="subject">{subject}</span>
        {(live || active) && <span class="mark">{live ? "live" : "active"}</span>}
      </p>
      <p class="meta">
        {actor}, <Moment at={at} now={now} />, <code>{commit.slice(0, 7)}</code>
        {snapshot.branch !== null && ` on ${snapshot.branch}`}
        {reverts !== null && `, takes back ${reverts.replace(/^waybill\//, "")}`}
        {only !== null && `, only ${only}`}
      </p>
      {reason !== "" && <p class="why">{reason}</p>}
      {changes.length > 0 && (
        <ul class="changes">
          {changes.map((change) => (
            <ChangeLine change={change} />
          ))}
        </ul>
      )}
    </>
  );
}

const signOf = { create: "+", update: "~", replace: "±", delete: "−", unchanged: "=" } as const satisfies Record<
  Change["action"],
  string
>;

function ChangeLine({ change: { action, name, fields } }: { change: Change }): JSX.Element {
  return (
    <li class={action}>
      <span class="sign" aria-hidden="true">
        {signOf[action]}
      </span>{" "}
      {action} <strong>{name}</strong>
      {fields.length > 0 && (
        <ul>
          {fields.map((field) => (
            <li>
              <FieldLine field={field} />
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function FieldLine({ field: { path, from, to } }: { field: FieldChange }): JSX.Element {
  return (
    <>
      <code>{path}</code> <del>{show(from)}</del> <ins>{show(to)}</ins>
    </>
  );
}

const maxShown = 60;

function show(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}

interface RollbackProps {
  readonly snapshot: SnapshotView;
  readonly action: string;
  readonly only: string | null;
}

/** Opening it asks, the button inside confirms: no script needed. */
function RollbackForm({ snapshot: { number }, action, only }: RollbackProps): JSX.Element {
  return (
    <details class="ask">
      <summary>
        Roll back<span class="unseen"> to snapshot {number}</span>
      </summary>
      <form method="post" action={action}>
        <input type="hidden" name="to" value={String(number)} />
        <p>
          What snapshot {number} says comes back: program, settings, schedule and access. The environment is then on
          hold until somebody releases it.
        </p>
        {only !== null && (
          <fieldset>
            <legend>Roll back</legend>
            <label class="option">
              <input type="radio" name="scope" value="only" checked /> only {only}
            </label>
            <label class="option">
              <input type="radio" name="scope" value="all" /> everything in the environment
            </label>
          </fieldset>
        )}
        <label>
          Why
          <input name="note" maxlength={1000} autocomplete="off" />
        </label>
        <button class="serious" type="submit">
          Roll back to snapshot {number}
        </button>
      </form>
    </details>
  );
}
