import { inPlaceOfShell } from "../local/processes/launch.ts";

// The signal reaches this inner shell too: it must wait for the program, which may need its time to stop.
const patience = "trap 'exit 143' TERM\n";

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
sh -c ${quoted(patience + command)} &
child=$!
wait $child; status=$?
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
exit $status`;
}

/**
 * A text as a container is to get it: the kubelet puts variables in for `$(NAME)` and one `$` for two, in commands and
 * in variables (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export const literal = (text: string): string => text.split("$").join("$$");

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
