import { stringify } from "yaml";

/** Plain data as YAML, in the order of its keys and without anchors. */
export function toYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 100 });
}
