import { inPlaceOfShell } from "../local/processes/launch.ts";

/** Stands before its status in the last line of a failed start script. */
export const startScriptMark = "waybill: the start script failed with status";

/** What a pod's shell runs. A command that is more than one program runs in a group, which a polite stop reaches as a whole. */
export function shellText(startScript: string | null, command: string): string {
  const plain = inPlaceOfShell(command);
  const start =
    startScript === null
      ? ""
      : `sh -c ${quoted(startScript)} || { status=$?; echo "${startScriptMark} $status" >&2; exit $status; }\n`;
  if (plain !== command) return `${start}${plain}`;
  return `${start}trap 'trap "" TERM; kill -TERM 0' TERM
sh -c ${quoted(command)} &
child=$!
wait $child; status=$?
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
exit $status`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
