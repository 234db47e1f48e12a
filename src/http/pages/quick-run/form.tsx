import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../../core/identity.ts";
import type { StackName } from "../../../core/stack.ts";
import { Layout } from "../layout.tsx";
import type { Field } from "./fields.ts";
import { jsonText } from "../runs/figures.ts";

export interface QuickRunProps {
  readonly visitor: Identity;
  readonly stack: StackName;
  /** Where the form is posted to. */
  readonly action: string;
  readonly fields: readonly Field[];
  /** Parameters that the file alone sets. */
  readonly fixed: readonly (readonly [string, unknown])[];
  /** Names of secrets that a parameter may be. */
  readonly secrets: readonly string[];
  /** What a field shows, by its name in the form. */
  readonly shown: (input: string) => string;
  /** What is wrong with single fields, by their names in the form. */
  readonly faults: ReadonlyMap<string, string>;
  /** What is wrong besides. */
  readonly problems: readonly string[];
}

export const nameInput = "name";
export const timeInput = "at";
export const maxNameLength = 100;

export function QuickRun(props: QuickRunProps): JSX.Element {
  const { visitor, stack, action, fields, fixed, shown, secrets } = props;
  const { repository, environment, deployment } = stack;
  return (
    <Layout title={`Run ${deployment} in ${environment}`} visitor={visitor}>
      <nav class="trail" aria-label="Where you are">
        <a href="/">Deployments</a>
        <a href={`/deployments/${repository}/${environment}/${deployment}`}>
          {deployment} in {environment}
        </a>
      </nav>
      <h1>Run {deployment}</h1>
      <form class="quick" method="post" action={action} aria-label={`Run ${deployment}`}>
        <Problems {...props} />
        {fields.map((field, index) => (
          <FieldRow
            field={field}
            id={`field-${index}`}
            text={shown(field.input)}
            fault={props.faults.get(field.input)}
          />
        ))}
        {fixed.length > 0 && <p class="hint">Set by its file: {fixed.map(fixedText).join(", ")}</p>}
        <label>
          What to call the run
          <input name={nameInput} maxlength={maxNameLength} autocomplete="off" value={shown(nameInput)} />
        </label>
        <div>
          <label for="time">Not before, in UTC</label>
          <input
            id="time"
            type="datetime-local"
            name={timeInput}
            value={shown(timeInput)}
            {...describedBy("time", props.faults.get(timeInput))}
          />
          <Fault id="time" text={props.faults.get(timeInput)} />
        </div>
        <button class="main" type="submit">
          Run
        </button>
        <datalist id="secrets">
          {secrets.map((name) => (
            <option value={name}></option>
          ))}
        </datalist>
      </form>
    </Layout>
  );
}

const fixedText = ([name, value]: readonly [string, unknown]): string => `${name} ${jsonText(value)}`;

function Problems({ problems, faults }: QuickRunProps): JSX.Element {
  if (problems.length === 0 && faults.size === 0) return <></>;
  return (
    <div class="problem" role="alert">
      {problems.length === 0 ? (
        <p>Nothing was run yet: see below.</p>
      ) : (
        <ul>
          {problems.map((problem) => (
            <li>{problem}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface FieldProps {
  readonly field: Field;
  readonly id: string;
  readonly text: string;
  readonly fault: string | undefined;
}

function FieldRow({ field, id, text, fault }: FieldProps): JSX.Element {
  const hint = hintOf(field);
  return (
    <div>
      <label for={id}>
        {field.label}
        {field.isRequired && <span class="of"> needed</span>}
      </label>
      <Control field={field} id={id} text={text} fault={fault} />
      {hint !== "" && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
      <Fault id={id} text={fault} />
    </div>
  );
}

const kindHint: Record<Field["kind"], string> = {
  text: "",
  lines: "",
  choice: "",
  integer: "a whole number",
  number: "a number",
  secret: "the name of a secret",
  json: "JSON",
};

const hintOf = ({ description, kind }: Field): string =>
  [description, kindHint[kind]].filter((part) => part !== "").join(" · ");

const Fault = ({ id, text }: { id: string; text: string | undefined }): JSX.Element => (
  <>
    {text !== undefined && (
      <p id={`${id}-fault`} class="fault">
        {text}
      </p>
    )}
  </>
);

/** What a screen reader says of a control besides its label. */
function describedBy(id: string, fault: string | undefined, hasHint = false): Record<string, string> {
  const ids = [...(hasHint ? [`${id}-hint`] : []), ...(fault === undefined ? [] : [`${id}-fault`])];
  return {
    ...(ids.length > 0 && { "aria-describedby": ids.join(" ") }),
    ...(fault !== undefined && { "aria-invalid": "true" }),
  };
}

function Control({ field, id, text, fault }: FieldProps): JSX.Element {
  const { kind, input: name, isRequired } = field;
  const common = { id, name, required: isRequired, ...describedBy(id, fault, hintOf(field) !== "") };
  if (kind === "choice") return <Choice field={field} common={common} chosen={text} />;
  if (kind === "lines" || kind === "json") {
    // HTML drops the first line break of a text area.
    return <textarea {...common} spellcheck={false}>{`\n${text}`}</textarea>;
  }
  // Text, not number: what a browser cannot read as a number would be lost before it is shown again.
  const inputmode = kind === "number" ? "decimal" : "text";
  return (
    <input
      {...common}
      type="text"
      value={text}
      autocomplete="off"
      inputmode={kind === "integer" ? "numeric" : inputmode}
      list={kind === "secret" ? "secrets" : undefined}
    />
  );
}

interface ChoiceProps {
  readonly field: Field;
  readonly common: Record<string, string | boolean>;
  readonly chosen: string;
}

function Choice({ field: { choices, isRequired, initial }, common, chosen }: ChoiceProps): JSX.Element {
  const nothing = initial === "" ? "Not given" : "As its file says";
  return (
    <select {...common}>
      <option value="">{isRequired ? "Choose" : nothing}</option>
      {choices.map((choice) => (
        <option value={choice} selected={choice === chosen}>
          {jsonText(JSON.parse(choice))}
        </option>
      ))}
    </select>
  );
}
