import type { JSX } from "hono/jsx/jsx-runtime";
import type { ChainLinkView, ChainView } from "../../../runs/view.ts";
import { durationText } from "./figures.ts";

interface ChainProps {
  readonly chain: ChainView;
  /** Of a job of the same environment. */
  readonly pathOf: (job: string) => string;
}

/** What a job follows, what follows it, and the events that start it. */
export function Chain({ chain: { after, followedBy, events }, pathOf }: ChainProps): JSX.Element {
  return (
    <ul class="rows">
      {after.map((link) => (
        <li>
          <div>
            Starts after <Link link={link} pathOf={pathOf} />
          </div>
        </li>
      ))}
      {followedBy.map((link) => (
        <li>
          <div>
            Is followed by <Link link={link} pathOf={pathOf} />
          </div>
        </li>
      ))}
      {events.map((event) => (
        <li>
          <div>
            Starts at the event <strong>{event}</strong> <code>{`waybill event ${event}`}</code>
          </div>
        </li>
      ))}
    </ul>
  );
}

export const isChained = ({ after, followedBy, events }: ChainView): boolean =>
  after.length + followedBy.length + events.length > 0;

function Link({ link, pathOf }: { link: ChainLinkView; pathOf: ChainProps["pathOf"] }): JSX.Element {
  const { job, states, delaySeconds, rest } = link;
  const later = delaySeconds === 0 ? "" : `, ${durationText(delaySeconds * 1_000)} later`;
  return (
    <>
      <a href={pathOf(job)}>{job}</a> <span class="hint">{`once it is ${states.join(" or ")}${later}`}</span>
      {rest !== null && <p class="why">Not now: {rest}</p>}
    </>
  );
}
