"""Random schedules with their next times, by croniter and python-dateutil: `schedule-reference.py SEED COUNT` prints JSON.

Both work on naive times of a wall's clock; zoneinfo turns these into points in time. With fold 0 it takes the first of
two and moves a skipped one forward, as Prefect does.
"""

import datetime as datetime_module
import json
import random
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from croniter import croniter
from dateutil.rrule import rrulestr

ZONES = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Santiago",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Africa/Cairo",
    "Asia/Kolkata",
]
WANTED = 6
UTC = timezone.utc
# Up to there dateutil looks for what never comes.
datetime_module.MAXYEAR = 2125


def offset(moment, zone):
    return moment.astimezone(zone).utcoffset()


def transitions(zone):
    """The moments of 2024 to 2028 at which the zone's offset changes, to the hour."""
    day, found = datetime(2024, 1, 1, tzinfo=UTC), []
    while day.year < 2029:
        hours = [day + timedelta(hours=n) for n in range(25)]
        if offset(day, zone) != offset(hours[-1], zone):
            found += [one for one, later in zip(hours, hours[1:]) if offset(one, zone) != offset(later, zone)]
        day = hours[-1]
    return found


def first_wall(after, zone):
    """Where the clock has just gone forward, times that it skipped are still to come."""
    skipped = max(timedelta(0), offset(after, zone) - offset(after - timedelta(hours=3), zone))
    return after.astimezone(zone).replace(tzinfo=None) - skipped


def instants(walls, zone, after):
    """The first WANTED points in time after `after` of wall-clock times that ascend."""
    found, last = set(), None
    for wall in walls:
        # A time of the skipped hour may come after ones that follow it on the clock.
        if last is not None and wall > last:
            break
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
        if moment > after:
            found.add(moment)
        if len(found) >= WANTED:
            last = sorted(found)[WANTED - 1].astimezone(zone).replace(tzinfo=None)
    return sorted(found)[:WANTED]


def field(rng, low, high, names=None):
    kind = rng.random()
    if kind < 0.35:
        return "*"
    if kind < 0.5:
        return f"*/{rng.randint(2, max(2, (high - low) // 2))}"
    if kind < 0.7:
        return ",".join(str(n) for n in sorted(rng.sample(range(low, high + 1), rng.randint(1, 3))))
    if kind < 0.85:
        first = rng.randint(low, high - 1)
        return f"{first}-{rng.randint(first + 1, high)}"
    return rng.choice(names) if names else str(rng.randint(low, high))


def random_cron(rng):
    if rng.random() < 0.08:
        # croniter takes no day of the month beside these.
        day, weekday = "*", rng.choice(["L5", "L1", "1#2", "5#4", "0#1"])
    else:
        day = "L" if rng.random() < 0.05 else field(rng, 1, 28)
        weekday = field(rng, 0, 6, ["MON", "FRI", "SUN"])
    hour = field(rng, 0, 23)
    if rng.random() < 0.4:
        hour = rng.choice(["1", "2", "3", "0", "1-3", "0,2", "*"])
    month = field(rng, 1, 12, ["JAN", "OCT"]) if rng.random() < 0.3 else "*"
    fields = [field(rng, 0, 59), hour, day, month, weekday]
    if rng.random() < 0.1:
        fields.insert(0, rng.choice(["0", "30", "*/20", "15,45"]))
    return " ".join(fields)


def cron_case(rng, zone, after):
    expression = random_cron(rng)
    # Only a lone star is no restriction to both libraries alike.
    fields = expression.split()
    is_plain = all(not part.startswith("*/") for part in (fields[-3], fields[-1]))
    day_or = rng.random() < 0.7 if is_plain else False
    walls = croniter(expression, first_wall(after, zone), day_or=day_or, second_at_beginning=True)
    return {"cron": expression, "dayOr": day_or}, walls.all_next(datetime)


def random_rule(rng):
    frequency = rng.choice(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "DAILY", "HOURLY"])
    parts = [f"FREQ={frequency}"]
    if rng.random() < 0.5:
        parts.append(f"INTERVAL={rng.randint(1, 4)}")
    if rng.random() < 0.3:
        parts.append("BYMONTH=" + ",".join(map(str, sorted(rng.sample(range(1, 13), rng.randint(1, 6))))))
    if frequency in ("YEARLY", "MONTHLY"):
        choice = rng.random()
        if choice < 0.35:
            parts.append("BYMONTHDAY=" + ",".join(map(str, rng.sample([-2, -1, 1, 5, 13, 15, 28, 31], rng.randint(1, 3)))))
        elif choice < 0.7:
            parts.append("BYDAY=" + rng.choice(["-1FR", "1MO", "2TU,4TU", "MO,TU,WE,TH,FR"]))
            if parts[-1].endswith("MO,TU,WE,TH,FR"):
                parts.append("BYSETPOS=" + rng.choice(["-1", "1", "1,-1"]))
    elif rng.random() < 0.4:
        parts.append("BYDAY=" + ",".join(rng.sample(["MO", "TU", "WE", "TH", "FR", "SA", "SU"], rng.randint(1, 4))))
    if frequency != "HOURLY" and rng.random() < 0.5:
        parts.append("BYHOUR=" + ",".join(map(str, sorted(rng.sample([0, 1, 2, 3, 9, 17], rng.randint(1, 3))))))
    if rng.random() < 0.3:
        parts.append(f"BYMINUTE={rng.choice([0, 15, 30])}")
    if frequency in ("YEARLY", "MONTHLY", "WEEKLY") and rng.random() < 0.2:
        parts.append(f"WKST={rng.choice(['MO', 'SU'])}")
    end = rng.random()
    if end < 0.15:
        parts.append(f"COUNT={rng.randint(1, 400)}")
    elif end < 0.3:
        parts.append(f"UNTIL=202{rng.randint(5, 8)}0{rng.randint(1, 9)}15T120000")
    return ";".join(parts)


def later_start(rule, from_wall, start):
    """Whole steps later, shortly before `start`: there a rule without COUNT has the same times, and dateutil goes through
    each step."""
    parts = dict(part.split("=") for part in rule.split(";"))
    unit = {"HOURLY": timedelta(hours=1), "DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}.get(parts["FREQ"])
    if unit is None or "COUNT" in parts:
        return from_wall
    step = unit * int(parts.get("INTERVAL", 1))
    return from_wall + step * max(0, (start - from_wall) // step - 1)


def rule_case(rng, zone, after):
    rule = random_rule(rng)
    anchor = after.replace(minute=0, second=0, microsecond=0) - timedelta(hours=rng.randint(0, 9000))
    from_wall = anchor.astimezone(zone).replace(tzinfo=None)
    extra = []
    if rng.random() < 0.15:
        near = after.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
        for name in ("RDATE", "EXDATE"):
            dates = [near + timedelta(hours=rng.randint(1, 90)) for _ in range(2)]
            extra.append(f"{name}:" + ",".join(date.strftime("%Y%m%dT%H%M%S") for date in dates))
    text = "\n".join([f"RRULE:{rule}", *extra])
    start = first_wall(after, zone)
    walls = rrulestr(text, dtstart=later_start(rule, from_wall, start), forceset=True)
    return {"rrule": text, "anchor": anchor.isoformat().replace("+00:00", "Z")}, walls.xafter(start, count=None)


def interval_case(rng, zone, after):
    if rng.random() < 0.5:
        seconds = rng.choice([60, 900, 3600, 5400, 43200, 86399])
    else:
        seconds = rng.choice([86400, 90000, 172800, 604800])
    anchor = after - timedelta(seconds=rng.randint(-10_000_000, 10_000_000))
    anchor = anchor.replace(microsecond=0)
    given = {"interval": seconds, "anchor": anchor.isoformat().replace("+00:00", "Z")}
    if seconds < 86400:
        passed = (after - anchor) // timedelta(seconds=seconds)
        moments = [anchor + timedelta(seconds=seconds) * (passed + n) for n in range(1, WANTED + 1)]
        return given, [moment.astimezone(zone) for moment in moments]
    wall = anchor.astimezone(zone).replace(tzinfo=None)
    passed = (first_wall(after, zone) - wall) // timedelta(seconds=seconds)
    return given, (wall + timedelta(seconds=seconds) * (passed + n) for n in range(0, WANTED + 3))


def case(rng, zone_name, changes):
    zone = ZoneInfo(zone_name)
    after = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randint(0, 4 * 365 * 86400))
    if changes and rng.random() < 0.7:
        after = rng.choice(changes) + timedelta(minutes=rng.randint(-2000, 300))
    make = rng.choice([cron_case, cron_case, rule_case, rule_case, interval_case])
    given, walls = make(rng, zone, after)
    if make is interval_case and given["interval"] < 86400:
        times = [moment.astimezone(UTC) for moment in walls]
    else:
        times = instants(walls, zone, after)
    shown = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in times]
    return {**given, "timezone": zone_name, "after": after.strftime("%Y-%m-%dT%H:%M:%SZ"), "times": shown}


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    changes = {name: transitions(ZoneInfo(name)) for name in ZONES}
    cases = []
    while len(cases) < count:
        zone = rng.choice(ZONES)
        cases.append(case(rng, zone, changes[zone]))
    print("[\n" + ",\n".join(json.dumps(each) for each in cases) + "\n]")


main()
