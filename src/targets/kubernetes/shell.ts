import { inPlaceOfShell } from "../local/processes/launch.ts";

// The signal reaches this inner shell too: it must wait for the program, which may need its time to stop.
const patience = "trap 'exit 143' TERM\n";

/** Stands before its status in the last line of a failed start script. */
export const startScriptMark = "waybill: the start script failed with status";

/** What a pod's shell runs. A command that is more than one program runs in a group, which a polite stop reaches as a whole. */
export function shellText(startScript: string | null, command: string): string {
  const plain = inPlaceOfShell(command);
  const start = startScript === null ? "" : startText(startScript);
  return plain === command ? `${start}${groupText(command)}\nexit $status` : `${start}${plain}`;
}

/** Sets `status`. `onStop`: what is done besides when it is asked to stop. */
const groupText = (command: string, onStop = ""): string => `trap 'trap "" TERM; kill -TERM 0${onStop}' TERM
sh -c ${quoted(patience + command)} &
child=$!
wait $child; status=$?
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done`;

interface RunText {
  readonly startScript: string | null;
  readonly command: string;
  /** From the polite signal to the last one. The pod's own time is longer: what the program leaves is handed over in it. */
  readonly stopSeconds: number;
  /** A file that gets the most memory that the container held, in bytes. */
  readonly peakFile: string;
}

// Where control groups of version 2 and of version 1 say so (https://docs.kernel.org/admin-guide/cgroup-v2.html).
const peakPaths = "/sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes";

/** What the shell of a run's pod runs: like a service's, but it stays to the end. */
export function runText({ startScript, command, stopSeconds, peakFile }: RunText): string {
  const onStop = `; (sleep ${Math.ceil(stopSeconds)} && kill -KILL 0) &`;
  const start = startScript === null ? "" : startText(startScript);
  return `${start}${groupText(inPlaceOfShell(command), onStop)}
cat ${peakPaths} > ${peakFile} 2>/dev/null
exit $status`;
}

const startText = (startScript: string): string =>
  `sh -c ${quoted(startScript)} || { status=$?; echo "${startScriptMark} $status" >&2; exit $status; }\n`;

/**
 * A text as a container is to get it: the kubelet puts variables in for `$(NAME)` and one `$` for two, in commands and
 * in variables (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export const literal = (text: string): string => text.split("$").join("$$");

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
