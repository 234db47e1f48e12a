/** `learning-rate` is found in `WAYBILL_PARAM_LEARNING_RATE`. */
export const parameterVariable = (name: string): string =>
  `WAYBILL_PARAM_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;

/** What is wrong with parameters that a program would find in one variable, each in words; empty for none. */
export function sharedVariables(names: readonly string[]): readonly string[] {
  const shared = [...Map.groupBy(names, parameterVariable)].filter(([, sharing]) => sharing.length > 1);
  return shared.map(
    ([variable, sharing]) => `parameters ${sharing.join(" and ")} would both be ${variable}: rename one`,
  );
}
