// Runs the tests: `npm test`, or `npm test -- FILE…`. Node's own runner, in an order of ours.
import { globSync } from "node:fs";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const given = process.argv.slice(2);

/** Those of a cluster mostly wait for it: alone they would leave processors idle, and all at once it falls behind. */
const needsCluster = (file) => /^test\/(kubernetes|deploy|engine-kubernetes|engine-cli-kubernetes)/.test(file);

/** `few` spread evenly among `many`, ahead of what stands at the same place. */
function interleave(few, many) {
  const every = many.length / Math.max(1, few.length);
  return few.flatMap((one, index) => [one, ...many.slice(Math.round(index * every), Math.round((index + 1) * every))]);
}

/** Short ones last: a run is over when its last file is. */
function allFiles() {
  const whole = globSync("test/**/*.test.ts").toSorted();
  const [cluster, local] = [whole.filter(needsCluster), whole.filter((file) => !needsCluster(file))];
  return [...interleave(cluster, local), ...globSync("src/**/*.test.ts").toSorted()];
}

const tests = run({
  files: given.length > 0 ? given.flatMap((pattern) => globSync(pattern).toSorted()) : allFiles(),
  concurrency: 3,
  globalSetupPath: "test/support/global-setup.ts",
});
tests.on("test:fail", ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
const report = tests.compose(spec);
report.pipe(process.stdout);
await finished(report);
