import { styleText } from "node:util";

/** Where a command runs and speaks: the real one is made in main.ts, tests bring their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?: (isRaw: boolean) => unknown };
  /** Writes to standard output, and a line's end. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly isColoured: boolean;
  /** Of a line; wider text is not cut off, for it may be piped on. */
  readonly columns: number;
  readonly signal: AbortSignal;
}

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export type Paint = (style: Style, text: string) => string;

export const painter =
  ({ isColoured }: Terminal): Paint =>
  (style, text) =>
    isColoured ? styleText(style, text, { validateStream: false }) : text;

/** Colours are for people who look at a terminal and did not ask for none (no-color.org). */
export const wantsColour = (env: Terminal["env"], isTty: boolean): boolean =>
  isTty && !env["NO_COLOR"] && env["TERM"] !== "dumb";

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** Aligned columns, two spaces apart, under dim headings; the last column is not padded. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: Paint,
): readonly string[] {
  const all = [headings.map((text): Cell => ({ text, style: "dim" })), ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.text.length ?? 0)));
  return all.map((row) =>
    row
      .map(({ text, style }, column) => {
        const padding = column === row.length - 1 ? "" : " ".repeat((widths[column] ?? 0) - text.length);
        return (style && text !== "" ? paint(style, text) : text) + padding;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** What a server or a program says may hold escape sequences: none of them reaches the terminal. */
export const printable = (text: string): string => text.replaceAll(/[^\t\n\P{Cc}]/gu, "");

const steps = [
  { unit: "d", ms: 24 * 60 * 60 * 1000 },
  { unit: "h", ms: 60 * 60 * 1000 },
  { unit: "min", ms: 60 * 1000 },
] as const;

/** `just now`, `5 min ago`, `3 d ago`. */
export function ago(at: string, now: Date): string {
  const passedMs = now.getTime() - Date.parse(at);
  const step = steps.find(({ ms }) => passedMs >= ms);
  return step ? `${Math.floor(passedMs / step.ms)} ${step.unit} ago` : "just now";
}
