import type { Amounts } from "./capacity.ts";

const pattern = /^([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:([eE][+-]?\d+)|(n|u|m|k|[KMGTPE]i?|))$/;
const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A quantity as Kubernetes writes it; 0 for what is none. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
export function parseQuantity(text: string | number): number {
  const match = pattern.exec(String(text));
  if (!match) return 0;
  const [, digits, exponent, unit = ""] = match;
  return exponent === undefined ? Number(digits) * (factors[unit] ?? 0) : Number(`${digits}${exponent}`);
}

/** Resource lists in our units: CPU in thousandths, all else whole. Rounded up, as the scheduler does. */
export function amountsOf(list: Readonly<Record<string, string | number>> = {}): Amounts {
  return Object.fromEntries(
    Object.entries(list).map(([name, text]) => {
      const isCpu = /(?:^|\.)cpu$/.test(name);
      // A product of decimal fractions may be a hair above the whole number that is meant.
      const value = parseQuantity(text) * (isCpu ? 1_000 : 1);
      return [name, Math.ceil(Number(value.toPrecision(15)))];
    }),
  );
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const sum: Record<string, number> = { ...a };
  for (const [resource, amount] of Object.entries(b)) sum[resource] = (sum[resource] ?? 0) + amount;
  return sum;
}

export function largerAmounts(a: Amounts, b: Amounts): Amounts {
  const larger: Record<string, number> = { ...a };
  for (const [resource, amount] of Object.entries(b)) larger[resource] = Math.max(larger[resource] ?? 0, amount);
  return larger;
}

const byteResources = new Set(["memory", "ephemeral-storage"]);

/** For people: `0.5`, `1.5Gi`, `2`. */
export function quantityText(resource: string, amount: number): string {
  if (resource === "cpu") return String(amount / 1_000);
  if (!byteResources.has(resource) && !resource.startsWith("hugepages-")) return String(amount);
  const gib = amount / 2 ** 30;
  return gib >= 1 ? `${round(gib)}Gi` : `${round(amount / 2 ** 20)}Mi`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
