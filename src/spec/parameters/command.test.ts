import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { placeholdersOf, withParameters } from "./command.ts";
import { parameterVariable } from "./variable.ts";

const said = (command: string, values: Readonly<Record<string, string>>): string =>
  execFileSync("/bin/sh", ["-c", withParameters(command, new Set(Object.keys(values)))], {
    env: {
      PATH: process.env["PATH"],
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [parameterVariable(name), value])),
    },
    encoding: "utf8",
  });

const places = [
  ["printf %s {{ a }}", (a: string) => a],
  ["printf %s x{{a}}y", (a: string) => `x${a}y`],
  ['printf %s "x {{ a }} y"', (a: string) => `x ${a} y`],
  ["printf %s 'x {{ a }} y'", (a: string) => `x ${a} y`],
  ['printf %s "$(printf %s {{ a }}z)"', (a: string) => `${a}z`],
  ["printf %s \"$(printf %s '{{ a }}')\"", (a: string) => a],
  ['printf %s \\"{{ a }}\\"', (a: string) => `"${a}"`],
  ["(printf %s {{ a }})", (a: string) => a],
  ["# it's\nprintf %s {{ a }}", (a: string) => a],
  ['true; # say "hi\nprintf %s {{ a }}', (a: string) => a],
  ['(true) # `x\nprintf %s "{{ a }}"', (a: string) => a],
  ['printf %s "#$#"\\#{{ a }}', (a: string) => `#0#${a}`],
  ["printf %s '`' >/dev/null; printf %s {{ a }}", (a: string) => a],
] as const;

// A command substitution drops newlines at its end, and no variable holds NUL.
const values = fc.string({ unit: "grapheme-ascii", maxLength: 12 }).map((text) => text.replaceAll("\0", ""));
const awkward = fc.constantFrom("$(id)", "`id`", "'; id; '", '"; id; "', "* ?", "a  b", "-n", "\\", "${PATH}", "x\ny");

test("a value arrives as it is, wherever it stands, and no shell reads it", () => {
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.oneof(awkward, values), ([command, wanted], value) => {
      assert.equal(said(command, { a: value }), wanted(value));
    }),
    { numRuns: 60 },
  );
});

test("braces that are no parameter's are left alone", () => {
  const command = "docker ps --format '{{.Names}}' {{ other }} {{ a";
  assert.equal(withParameters(command, new Set(["a"])), command);
  assert.deepEqual([...placeholdersOf("{{ a }} {{.b}} {{c-d}}")], ["a", "c-d"]);
});

test("no placeholder is taken where another shell reads what it is given", () => {
  const scripts = [
    "sh -c 'echo {{ a }}'",
    'bash -euo pipefail -c "echo {{ a }}"',
    "/bin/sh -c {{ a }}",
    'exec dash -ec "echo "{{ a }}',
    'find . -exec sh -c "echo {{ a }}" \\;',
    'eval "echo {{ a }}"',
    "true; eval {{ a }}",
  ];
  for (const command of scripts) {
    assert.throws(() => withParameters(command, new Set(["a"])), {
      name: "TypeError",
      message: /^\{\{ a \}\} stands in what another shell is given, .*write "\$WAYBILL_PARAM_A" there/,
    });
  }
  const given = [
    "sh -c 'printf %s \"$1\"' _ {{ a }}",
    "sh -c 'true'; printf %s {{ a }}",
    "printf %s {{ a }} | sh -c cat",
  ];
  for (const command of given) assert.equal(said(command, { a: "$(id) '" }), "$(id) '", command);
});

test("where no quoting is safe it is refused, with the way out", () => {
  const refused = (command: string): void =>
    assert.throws(() => withParameters(command, new Set(["a"])), {
      name: "TypeError",
      message: /^\{\{ a \}\} stands .*: use \$WAYBILL_PARAM_A there$/,
    });
  refused("echo `echo {{ a }}`");
  refused("cat <<END\n{{ a }}\nEND");
});
