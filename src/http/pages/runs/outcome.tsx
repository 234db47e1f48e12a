import type { JSX } from "hono/jsx/jsx-runtime";
import { isReference } from "../../../spec/parameters/references.ts";
import type { ParameterValues } from "../../../runs/run.ts";
import type { RunView } from "../../../runs/view.ts";
import { bytesText } from "./figures.ts";
import { runPath } from "./rows.tsx";

// A page of a megabyte helps nobody.
const shownCharacters = 20_000;

export function Parameters({ values }: { values: ParameterValues }): JSX.Element {
  const entries = Object.entries(values);
  if (entries.length === 0) return <p class="nothing">It was given none.</p>;
  return (
    <dl class="pairs">
      {entries.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{isReference(value) ? <>the secret {value.secret}</> : <code>{JSON.stringify(value)}</code>}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What a run has left: its result, its files, and what became of its callback. */
export function Outcome({ run }: { run: RunView }): JSX.Element {
  const { result, files, callback } = run;
  return (
    <>
      {result !== null && <Result run={run} />}
      {files.length > 0 && <Files run={run} />}
      {callback !== null && (
        <section aria-labelledby="callback-title">
          <h2 id="callback-title">Callback</h2>
          <p class="meta">
            {callback.url} {callback.settled === null ? "is told when the run has ended" : callback.settled}
            {callback.reason !== "" && `: ${callback.reason}`}
          </p>
        </section>
      )}
    </>
  );
}

function Result({ run: { id, result } }: { run: RunView }): JSX.Element {
  const text = JSON.stringify(result, null, 2);
  return (
    <section aria-labelledby="result-title">
      <h2 id="result-title">Result</h2>
      <pre class="result" tabindex={0} aria-labelledby="result-title">
        <code>{text.slice(0, shownCharacters)}</code>
      </pre>
      {text.length > shownCharacters && (
        <p class="hint">
          That is its beginning. <a href={`/api/v1${runPath(id)}`}>All of it as JSON</a>
        </p>
      )}
    </section>
  );
}

const Files = ({ run: { id, files } }: { run: RunView }): JSX.Element => (
  <section aria-labelledby="files-title">
    <h2 id="files-title">Files</h2>
    <ul class="rows">
      {files.map(({ path, bytes }) => (
        <li>
          <a href={`/api/v1${runPath(id)}/file?${new URLSearchParams({ path }).toString()}`} download>
            {path}
          </a>
          <span class="hint">{bytesText(bytes)}</span>
        </li>
      ))}
    </ul>
  </section>
);
