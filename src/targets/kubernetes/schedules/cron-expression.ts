// What a CronJob takes: the five fields of crontab(5), as github.com/robfig/cron reads them.
// https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax

const nicknames = new Set(["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"]);
const item = /^(?:\*|\d+(?:-\d+)?|[a-z]{3}(?:-[a-z]{3})?)(?:\/\d+)?$/i;
const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

type Read = { readonly schedule: string } | { readonly fault: string };

/** A checked expression as a CronJob has it, with the same times; otherwise why there is none. Pure. */
export function cronJobSchedule({ cron, isDayOr }: { readonly cron: string; readonly isDayOr: boolean }): Read {
  const text = cron.trim();
  if (nicknames.has(text)) return { schedule: text };
  const fields = text.split(/\s+/);
  if (fields.length !== 5) return { fault: "its cron expression has seconds" };
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  // From the last day of the week on is no other day: what is meant by it, each reads in its own way.
  const isStrange = (field: string): boolean => !field.split(",").every((each) => item.test(each));
  const strange = fields.find(isStrange) ?? weekday.split(",").find((each) => each.startsWith("7/"));
  if (strange !== undefined) return { fault: `Kubernetes' cron does not know ${strange}` };
  if (day !== "*" && weekday !== "*") {
    if (!isDayOr) return { fault: "dayOr is false" };
    // A star with a step counts as any day there, and both fields must fit then.
    if (day.includes("*") || weekday.includes("*")) return { fault: "both of its days are given, one with a step" };
  }
  return { schedule: [minute, hour, day, month, weekdays(weekday)].join(" ") };
}

/** Sunday is 0 there, and not 7. */
function weekdays(field: string): string {
  if (!/7/.test(field)) return field;
  const found = field.split(",").flatMap((each) => {
    const [range = "", step = "1"] = each.split("/");
    const [first = "", last = each.includes("/") ? "7" : first] = range === "*" ? ["0", "6"] : range.split("-");
    const [from, to] = [dayOf(first), dayOf(last)];
    return Array.from(
      { length: Math.floor((to - from) / Number(step)) + 1 },
      (_, index) => from + index * Number(step),
    );
  });
  return [...new Set(found.map((day) => day % 7))].toSorted((a, b) => a - b).join(",");
}

const dayOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) : days.indexOf(text.toLowerCase()));
