interface ProblemRow {
  readonly meaning: string;
  readonly remedy: string;
}

/** Every code that a problem can carry. A code is permanent: people search for it and scripts match it. */
export const problemTable = {
  // the file as bytes and text
  FILE_TOO_LARGE: {
    meaning: "The file is larger than 1 MiB, or has more than 50,000 lines.",
    remedy: "Move what is large into the source tree.",
  },
  FILE_NOT_REGULAR: {
    meaning: "The path is a symbolic link, a folder or a submodule.",
    remedy: "Commit a plain file in its place.",
  },
  FILE_UNREADABLE: { meaning: "The file cannot be read.", remedy: "See the reason in the message." },
  FILE_EMPTY: { meaning: "The file holds no document.", remedy: "Write a deployment or delete the file." },
  TEXT_NOT_UTF8: { meaning: "The file is not valid UTF-8.", remedy: "Save it as UTF-8." },
  TEXT_CONTROL_CHARACTER: {
    meaning: "The file holds a character that YAML does not allow, such as NUL.",
    remedy: "Delete it, or write it as an escape within double quotes.",
  },
  // YAML
  YAML_INVALID: { meaning: "The text is not YAML 1.2.", remedy: "See the reason in the message." },
  YAML_TAB: { meaning: "A tab indents a line.", remedy: "Indent with spaces." },
  YAML_TOO_DEEP: { meaning: "Values are nested more than 64 deep.", remedy: "Flatten them." },
  YAML_TOO_MANY_VALUES: {
    meaning: "The file holds more than 20,000 values, aliases followed.",
    remedy: "Split the file, or use fewer aliases.",
  },
  YAML_TOO_MANY_DOCUMENTS: { meaning: "The file holds more than 100 documents.", remedy: "Split the file." },
  YAML_ALIAS: { meaning: "An alias names no anchor above it, or the value around it.", remedy: "Write the value out." },
  YAML_TAG: { meaning: "A value carries a tag such as `!!binary`.", remedy: "Remove the tag." },
  YAML_MERGE_KEY: { meaning: "A map holds the merge key `<<`.", remedy: "Write the keys out, or alias whole values." },
  KEY_DUPLICATE: { meaning: "A map holds one key twice.", remedy: "Remove one of the two." },
  KEY_FORBIDDEN: { meaning: "A key is `__proto__`.", remedy: "Choose another name." },
  KEY_NOT_TEXT: { meaning: "A key is a list, a map or empty.", remedy: "Keys are text." },
  // the shape
  API_VERSION_UNKNOWN: { meaning: "`apiVersion` is not one that this Waybill reads.", remedy: "Write `waybill/v1`." },
  KIND_UNKNOWN: { meaning: "`kind` is none of service, worker, job, site.", remedy: "Choose one of them." },
  FIELD_MISSING: { meaning: "A field that is needed is not there.", remedy: "Add it." },
  FIELD_UNKNOWN: { meaning: "A key is not part of the format.", remedy: "Remove it, or correct its spelling." },
  FIELD_NOT_FOR_KIND: { meaning: "A field belongs to other kinds.", remedy: "Remove it, or change `kind`." },
  FIELD_TYPE: { meaning: "A value has the wrong type.", remedy: "See what is wanted in the message." },
  FIELD_EMPTY: { meaning: "A key has no value.", remedy: "Give it one, or remove the key." },
  FIELD_VALUE: { meaning: "A value is outside of what the field takes.", remedy: "See what is wanted in the message." },
  FIELD_CONFLICT: { meaning: "Fields that exclude each other stand together.", remedy: "Keep one of them." },
  PROBLEMS_MORE: {
    meaning: "The file has more problems than are shown.",
    remedy: "Correct those shown and check again.",
  },
  // names, routes, paths
  NAME_INVALID: {
    meaning: "A name cannot stand in a host name.",
    remedy: "Use 1 to 40 of a-z, 0-9 and `-`, no `--`, no `-` at either end.",
  },
  NAME_DUPLICATE: { meaning: "Two deployments have one name.", remedy: "Rename one of them." },
  ROUTE_DUPLICATE: { meaning: "Two routes lead from one host name.", remedy: "Give one of them another `subdomain`." },
  ENVIRONMENT_UNKNOWN: {
    meaning: "An environment is named that `waybill.yaml` does not have.",
    remedy: "Correct its spelling, or add it there.",
  },
  ENVIRONMENT_CYCLE: {
    meaning: "Environments are promoted from each other in a circle.",
    remedy: "Let one follow a branch.",
  },
  TARGET_REFUSED: {
    meaning: "The target, asked beforehand, refuses what the file asks for.",
    remedy: "Change what it names, or have the target's policy changed.",
  },
  TARGET_UNKNOWN: { meaning: "The server has no such target.", remedy: "Choose one that it has." },
  COMPONENT_UNKNOWN: { meaning: "A component is named that is not there.", remedy: "Correct its spelling, or add it." },
  HOST_TAKEN: {
    meaning: "Another deployment of the server has the host name.",
    remedy: "Choose another with `subdomain:`.",
  },
  SOURCE_NOT_FOUND: {
    meaning: "`source.path` is no folder of the commit.",
    remedy: "Commit the folder, or correct the path.",
  },
  PATH_OUTSIDE: { meaning: "A path leaves the repository.", remedy: "Use a relative path without `..`." },
  IMAGE_NOT_PINNED: { meaning: "An image is named by a tag, which can move.", remedy: "Add its `@sha256:` digest." },
  URL_INVALID: {
    meaning: "An address is not one that Waybill fetches from.",
    remedy: "Use https:// or ssh:// without a password.",
  },
  // values
  SIZE_UNKNOWN: { meaning: "The server's catalogue has no such size.", remedy: "Choose one that it has." },
  QUANTITY_INVALID: { meaning: "CPU or memory is not a quantity.", remedy: "Write `500m`, `2`, `512Mi` or `4Gi`." },
  DURATION_INVALID: { meaning: "A duration is not one.", remedy: "Write `30s`, `15m`, `1h30m` or `2d`." },
  REPLICAS_RANGE: { meaning: "`replicas.max` is below `replicas.min`.", remedy: "Raise one or lower the other." },
  ENV_RESERVED: { meaning: "A variable is set that Waybill sets itself.", remedy: "Remove it." },
  ENV_AMBIGUOUS: {
    meaning: "YAML reads a value as a number and would lose how it was written.",
    remedy: "Put it in quotes.",
  },
  ENV_DUPLICATE: { meaning: "One variable or file is given twice.", remedy: "Remove one of the two." },
  // jobs
  CRON_INVALID: { meaning: "A cron expression is not one, or never fires.", remedy: "Write five fields." },
  INTERVAL_INVALID: { meaning: "An interval is not an ISO 8601 duration.", remedy: "Write `PT15M`, `PT6H` or `P1D`." },
  RRULE_INVALID: { meaning: "A recurrence rule is not one, or never fires.", remedy: "See RFC 5545, section 3.3.10." },
  TIMEZONE_UNKNOWN: { meaning: "There is no such time zone.", remedy: "Use an IANA name such as `Europe/Berlin`." },
  TIME_INVALID: { meaning: "A point in time is not one.", remedy: "Write `2026-01-01T00:00:00Z`." },
  JOB_UNKNOWN: {
    meaning: "`after` or `deploy` names a job that these files do not have.",
    remedy: "Correct the name, or add the job.",
  },
  JOB_CIRCLE: {
    meaning: "Jobs follow each other in a circle: none of them would ever stop.",
    remedy: "Take one `after` out.",
  },
  AFTER_DUPLICATE: { meaning: "Two entries of `after` have one name.", remedy: "Give one of them another `name`." },
  EVENT_DUPLICATE: { meaning: "A job names an event twice.", remedy: "Remove one of the two." },
  SCHEDULE_DUPLICATE: { meaning: "Two schedules of a job have one name.", remedy: "Rename one of them." },
  PARAMETER_SCHEMA: { meaning: "The schema of a job's parameters is not one.", remedy: "Write JSON Schema 2020-12." },
  PARAMETER_PATTERN: {
    meaning: "A pattern cannot be matched in linear time.",
    remedy: "Write it without looking around and without back references.",
  },
  PARAMETER_PLACE: {
    meaning: "A `{{ parameter }}` stands in `command` where no quoting is safe, or another shell would read its value.",
    remedy: "Use the parameter's variable there, as the message says.",
  },
  PARAMETER_VARIABLE: {
    meaning: "Two parameters would be in one variable of the program: `a-b` and `a_b`.",
    remedy: "Rename one of them.",
  },
  PARAMETER_INVALID: { meaning: "Parameters do not fit their schema.", remedy: "Change the value or the schema." },
} as const satisfies Record<string, ProblemRow>;

export type ProblemCode = keyof typeof problemTable;
