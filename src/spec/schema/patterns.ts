import { secretNamePattern } from "../../core/names.ts";
import type { ProblemCode } from "../problem-table.ts";

interface Shape {
  readonly pattern: string;
  readonly code: ProblemCode;
  /** Completes "… is not". */
  readonly wanted: string;
}

/** The shapes of text that fields take. A JSON Schema can only say the pattern; people are told the rest. */
export const shapes = {
  name: {
    // Kept equal to isName of core/names.ts by a test.
    pattern: "^(?!.*--)[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$",
    code: "NAME_INVALID",
    wanted: "a name: 1 to 40 of a-z, 0-9 and -, without -- and without - at either end",
  },
  duration: {
    pattern: "^(?:[0-9]{1,9}(?:ms|s|m|h|d))+$",
    code: "DURATION_INVALID",
    wanted: "a duration such as 30s, 15m, 1h30m or 2d",
  },
  isoDuration: {
    pattern:
      "^P(?=[0-9T])(?:[0-9]{1,6}W)?(?:[0-9]{1,6}D)?(?:T(?=[0-9])(?:[0-9]{1,6}H)?(?:[0-9]{1,8}M)?(?:[0-9]{1,9}S)?)?$",
    code: "INTERVAL_INVALID",
    wanted: "an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as PT15M or P1D",
  },
  bytes: {
    pattern: "^[0-9]{1,15}(?:\\.[0-9]{1,9})?(?:k|M|G|T|Ki|Mi|Gi|Ti)?$",
    code: "QUANTITY_INVALID",
    wanted: "an amount of memory such as 512Mi, 4Gi or 1.5G",
  },
  cpu: {
    pattern: "^[0-9]{1,6}(?:\\.[0-9]{1,3})?m?$",
    code: "QUANTITY_INVALID",
    wanted: "a number of cores such as 2, 0.5 or 500m",
  },
  variable: {
    pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
    code: "FIELD_VALUE",
    wanted: "a variable's name: letters, digits and _, no digit first",
  },
  secret: {
    pattern: secretNamePattern,
    code: "FIELD_VALUE",
    wanted: "a secret's name: a-z, 0-9, ., _ and -",
  },
  secretKey: {
    pattern: "^[-._a-zA-Z0-9]+$",
    code: "FIELD_VALUE",
    wanted: "a key of a Kubernetes Secret: letters, digits, -, _ and .",
  },
  mode: { pattern: "^0?[0-7]{3}$", code: "FIELD_VALUE", wanted: 'a file mode in quotes, such as "0644" or "0755"' },
  urlPath: {
    pattern: "^/[^\\s?#]*$",
    code: "FIELD_VALUE",
    wanted: "a path that starts with / and holds no space, ? or #",
  },
  publicPath: {
    pattern: "^/[^\\s?#*]*\\*?$",
    code: "FIELD_VALUE",
    wanted: "a path that starts with /, with * at its end or nowhere",
  },
  viewer: {
    pattern: "^(?:user|group|client):[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$",
    code: "FIELD_VALUE",
    wanted: "a viewer: user:NAME, group:NAME or client:NAME",
  },
  ref: {
    // git-check-ref-format(1), and nothing that Git could take for an option.
    pattern: "^(?!-)(?!/)(?!.*(?:\\.\\.|//|@\\{|/\\.|\\.lock(?:/|$)))(?!\\.)[^\\s~^:?*\\[\\\\]+(?<![./])$",
    code: "FIELD_VALUE",
    wanted: "a branch, a tag or a commit",
  },
  qualifiedName: {
    // https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    pattern: "^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
    code: "FIELD_VALUE",
    wanted: "a name as Kubernetes has them, such as nvidia.com/gpu",
  },
  labelValue: {
    pattern: "^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$",
    code: "FIELD_VALUE",
    wanted: "a label's value: up to 63 letters, digits, -, _ and .",
  },
  ended: {
    pattern: "^(?:completed|failed|timed-out|crashed|cancelled)$",
    code: "FIELD_VALUE",
    wanted: "how a run ends: completed, failed, timed-out, crashed or cancelled",
  },
  jsonPointer: {
    // RFC 6901, section 3.
    pattern: "^(?:/(?:[^~/]|~[01])*)*$",
    code: "FIELD_VALUE",
    wanted: "a JSON pointer such as /data/id",
  },
  visible: { pattern: "\\S", code: "FIELD_EMPTY", wanted: "a text with something to see in it" },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof shapes;

const byPattern = new Map<string, Shape>(Object.values(shapes).map((shape) => [shape.pattern, shape]));

export const shapeOf = (pattern: string): Shape | undefined => byPattern.get(pattern);

/** The schema of a text with that shape. */
export function text(shape: ShapeName): { readonly type: "string"; readonly pattern: string } {
  return { type: "string", pattern: shapes[shape].pattern };
}
