/** Settings of Git for one call, over those that always hold. They travel by environment, never by command line. */
export type GitSettings = readonly (readonly [key: string, value: string])[];

// What a Git process of ours may know of this machine: where programs are, how to reach other machines, nothing else.
const inherited = [
  "PATH",
  "HOME",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
];

const stallBytesPerSecond = "1000";
const stallSeconds = "30";

const always: GitSettings = [
  // Hooks never run in our own calls, nor do filters.
  ["core.hooksPath", "/dev/null"],
  ["core.attributesFile", "/dev/null"],
  // A data folder in a container's volume often belongs to another user than the server.
  ["safe.directory", "*"],
  ["protocol.allow", "never"],
  ["protocol.http.allow", "always"],
  ["protocol.https.allow", "always"],
  ["protocol.ssh.allow", "always"],
  ["transfer.fsckObjects", "true"],
  ["fetch.recurseSubmodules", "false"],
  ["http.lowSpeedLimit", stallBytesPerSecond],
  ["http.lowSpeedTime", stallSeconds],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["receive.autogc", "false"],
  ["tag.gpgSign", "false"],
];

// Old and harmless faults that many long-lived histories carry: they would keep a team from its first push.
const tolerated = ["zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate"];
const tolerance: GitSettings = ["fetch.fsck", "receive.fsck"].flatMap((prefix) =>
  tolerated.map((fault) => [`${prefix}.${fault}`, "warn"] as const),
);

/** The whole environment of a Git process: no settings of this machine, no prompt, one language, our settings. */
export function isolation(settings: GitSettings = []): Record<string, string> {
  const environment: Record<string, string> = {
    LC_ALL: "C.UTF-8",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "true",
    SSH_ASKPASS: "true",
    GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_OPTIONAL_LOCKS: "0",
  };
  for (const name of inherited) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  const all = [...always, ...tolerance, ...settings];
  environment["GIT_CONFIG_COUNT"] = String(all.length);
  for (const [index, [key, value]] of all.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return environment;
}
