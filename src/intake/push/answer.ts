import type { Readable } from "node:stream";
import { printableLines } from "./hook-channel.ts";

/**
 * What `git receive-pack` answers a push, on its way to the pusher. Its last part, the report of what became of each
 * ref, is held back until `end`: the pusher's Git goes on showing lines until then.
 */
export interface PushAnswer {
  readonly body: ReadableStream<Uint8Array>;
  /** Resolves when Git has changed the refs: with those it has changed, or null where it did not say. */
  readonly stored: Promise<ReadonlySet<string> | null>;
  /** Shown to the pusher, where there is still one who can be shown lines. */
  readonly line: (text: string) => void;
  readonly end: () => void;
  /** The server stops: says what that means for what is stored, and ends. Where Git is still at work, its hook says it. */
  readonly stop: () => void;
}

const ifServerStops =
  "waybill: the server stopped while it worked on this push. The push is stored; the server goes on with it when it starts again.";

// gitprotocol-pack(5), "side-band": after a packet's length, the first byte says what the rest is.
const band = { report: 1, text: 2, error: 3 } as const;
const lengthDigits = 4;
const flush = "0000";
// The least that a client takes in a packet is 1000 bytes, its length and its band included.
const maxTextBytes = 990;
// As often as receive-pack does while its hooks run (receive.keepAlive), for the proxies between.
const keepAliveMs = 5_000;
const keepAlive = packet(band.report, Buffer.alloc(0));

export function makePushAnswer(output: Readable, first: Buffer): PushAnswer {
  const { body, pass, close } = makeBody();
  const stored = Promise.withResolvers<ReadonlySet<string> | null>();
  const cut = makeCutter();
  const withheld: Buffer[] = [];
  const report: Buffer[] = [];
  let state: "relaying" | "withholding" | "ended" = "relaying";
  let hasChanged = false;
  let timer: NodeJS.Timeout | undefined;

  function takePacket(bytes: Buffer): void {
    const isReport = bytes[lengthDigits] === band.report && bytes.length > keepAlive.length;
    if (bytes.toString("latin1") === flush && !cut.isPlain()) {
      const changed = changedRefs(Buffer.concat(report).toString("utf8"));
      hasChanged = changed?.size !== 0;
      state = "withholding";
      timer = setInterval(() => pass(keepAlive), keepAliveMs).unref();
      stored.resolve(changed);
    }
    if (isReport) report.push(bytes.subarray(lengthDigits + 1));
    if (isReport || state === "withholding") withheld.push(bytes);
    else pass(bytes);
  }

  function line(text: string): void {
    if (state === "withholding") textPackets(text).forEach(pass);
  }

  function end(): void {
    if (state === "ended") return;
    state = "ended";
    clearInterval(timer);
    for (const bytes of [...withheld, cut.rest()]) pass(bytes);
    close();
  }

  const take = (chunk: Buffer): void => cut.add(chunk).forEach(takePacket);
  take(first);
  output.on("data", take);
  // Resolved before, unless Git ended early or the client wants no report.
  output.once("close", () => stored.resolve(null));
  const stop = (): void => {
    if (hasChanged) line(ifServerStops);
    if (state === "withholding") end();
  };
  return { body, stored: stored.promise, line, end, stop };
}

/** A body that is written to until its reader goes away. */
function makeBody() {
  let pass: (bytes: Uint8Array) => void = () => undefined;
  let close: () => void = () => undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      pass = (bytes) => void (bytes.length > 0 && controller.enqueue(new Uint8Array(bytes)));
      close = () => controller.close();
    },
    cancel() {
      pass = () => undefined;
      close = () => undefined;
    },
  });
  return { body, pass: (bytes: Uint8Array) => pass(bytes), close: () => close() };
}

/** Cuts a stream into packets. What a client gets that asked for no side-band is none: it is answered as it comes. */
function makeCutter() {
  let held: Buffer = Buffer.alloc(0);
  let isPlain = false;

  function next(): Buffer | null {
    if (held.length < lengthDigits) return null;
    const size = sizeOf(held);
    const hasBand = size !== null && (size <= lengthDigits || (held[lengthDigits] ?? band.report) <= band.error);
    isPlain ||= !hasBand;
    const end = isPlain ? held.length : Math.max(size ?? 0, lengthDigits);
    if (held.length < end) return null;
    const bytes = held.subarray(0, end);
    held = held.subarray(end);
    return bytes;
  }

  return {
    add(chunk: Buffer): readonly Buffer[] {
      held = Buffer.concat([held, chunk]);
      const packets: Buffer[] = [];
      for (let bytes = next(); bytes !== null; bytes = next()) packets.push(bytes);
      return packets;
    },
    isPlain: () => isPlain,
    rest: () => held,
  };
}

/** Length in bytes of the packet that begins here; null where none begins. */
function sizeOf(held: Buffer): number | null {
  const digits = held.toString("latin1", 0, lengthDigits);
  return /^[0-9a-f]{4}$/.test(digits) ? Number.parseInt(digits, 16) : null;
}

function textPackets(text: string): readonly Buffer[] {
  const bytes = Buffer.from(`${printableLines(text).join("\n")}\n`);
  const count = Math.ceil(bytes.length / maxTextBytes);
  return Array.from({ length: count }, (_, index) =>
    packet(band.text, bytes.subarray(index * maxTextBytes, (index + 1) * maxTextBytes)),
  );
}

function packet(bandOf: number, content: Uint8Array): Buffer {
  const size = lengthDigits + 1 + content.length;
  return Buffer.concat([Buffer.from(size.toString(16).padStart(lengthDigits, "0")), Buffer.from([bandOf]), content]);
}

/** Reads `ok REF` of a report (gitprotocol-pack(5), "report-status"); null where there is no report. */
function changedRefs(report: string): ReadonlySet<string> | null {
  if (report === "") return null;
  return new Set([...report.matchAll(/^[0-9a-f]{4}ok (.*)$/gm)].map(([, ref = ""]) => ref));
}
