// Makes the pages live: on a change the page is read again and its [data-live] parts are replaced.
// Everything works without this file; it only saves reloading.

const settleMs = 200;
const refreshMs = 60_000;
const maxLogLines = 2000;

const announcements = document.getElementById("announcements");

/** @returns {Map<string, string>} what each deployment's state is, as the page says now */
function states() {
  const shown = document.querySelectorAll("[data-state-of]");
  return new Map([...shown].map((element) => [element.dataset.stateOf, element.dataset.state]));
}

function announce(before) {
  const changed = [...states()].filter(([name, state]) => before.has(name) && before.get(name) !== state);
  if (changed.length > 0 && announcements) {
    announcements.textContent = changed.map(([name, state]) => `${name} is ${state}`).join(", ");
  }
}

/** Somebody who is answering a question in this part is not interrupted. */
const isBusy = (part) => part.querySelector("details[open], input:focus, textarea:focus, select:focus") !== null;

function replaceParts(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.isEqualNode(part) || isBusy(part)) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceWith(document.adoptNode(next));
    if (focused !== "") document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

let timer;
let isReading = false;
let isStale = false;

async function refresh() {
  if (isReading) {
    isStale = true;
    return;
  }
  isReading = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 404) {
      location.reload();
      return;
    }
    if (!answer.ok) return;
    const before = states();
    replaceParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
    announce(before);
  } catch {
    // The server is away; the event stream says when it is back.
  } finally {
    isReading = false;
    if (isStale) {
      isStale = false;
      refreshSoon();
    }
  }
}

// One wait at a time: where something changes all the time, the page still follows.
function refreshSoon() {
  timer ??= setTimeout(() => {
    timer = undefined;
    void refresh();
  }, settleMs);
}

/** Runs come and go by the second, and most pages show none. */
const showsRuns = () => document.querySelector("[data-shows-runs]") !== null;

/**
 * Keeps an event stream open while somebody looks at the page: over HTTP/1.1 a browser has six connections to a
 * server for all its tabs together.
 */
function whileVisible(open) {
  let events = null;
  const follow = () => {
    if (document.visibilityState === "visible") events ??= open();
    else {
      events?.close();
      events = null;
    }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

function followChanges() {
  const events = new EventSource("/api/v1/events");
  events.addEventListener("change", (event) => {
    if (JSON.parse(event.data).type !== "run" || showsRuns()) refreshSoon();
  });
  events.addEventListener("error", () => {
    document.body.dataset.connection = "lost";
  });
  events.addEventListener("open", () => {
    // What happened since the page was made, or while the line was down, was not told.
    if (document.body.dataset.connection !== undefined || showsRuns()) refreshSoon();
    document.body.dataset.connection = "live";
  });
  return events;
}

function logLine({ at, stream, text }) {
  const line = document.createElement("p");
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = at.slice(11, 19);
  line.className = stream;
  line.append(time, " ", text);
  return line;
}

/** Nothing more will be said in the log. */
let isOver = false;

function followLog(log) {
  const status = document.getElementById("log-status");
  const say = (text) => {
    if (status) status.textContent = text;
  };
  if (isOver) return null;
  let isFirst = true;
  const lines = new EventSource(log.dataset.source);
  // A stream that comes back begins again with the last lines.
  lines.addEventListener("open", () => {
    isFirst = true;
    say("live");
  });
  lines.addEventListener("error", () => say("reconnecting"));
  lines.addEventListener("end", () => {
    lines.close();
    isOver = true;
    say("");
    refreshSoon();
  });
  lines.addEventListener("failure", (event) => say(JSON.parse(event.data).message));
  lines.addEventListener("line", (event) => {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (isFirst) log.replaceChildren();
    isFirst = false;
    log.append(logLine(JSON.parse(event.data)));
    while (log.childElementCount > maxLogLines) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  });
  log.scrollTop = log.scrollHeight;
  return lines;
}

whileVisible(followChanges);
const log = document.getElementById("log");
if (log?.dataset.source) whileVisible(() => followLog(log));
else if (log) log.scrollTop = log.scrollHeight;
// Relative times grow old by themselves.
setInterval(() => {
  if (document.visibilityState === "visible") refreshSoon();
}, refreshMs);
