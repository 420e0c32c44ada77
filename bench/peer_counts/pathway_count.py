"""Swipes per card and day, in pathway: `python pathway_count.py FILE` prints JSON."""

import json
import sys
import time

import pathway as pw

DAY_MS = 86_400_000


class Swipe(pw.Schema):
    person_id: str
    occurred_at_ms: int


counts = {}


def on_change(key, row, time, is_addition):
    if is_addition:
        counts[key] = row["count"]


started = time.perf_counter()
swipes = pw.io.jsonlines.read(sys.argv[1], schema=Swipe, mode="static")
counted = swipes.windowby(
    swipes.occurred_at_ms, window=pw.temporal.tumbling(duration=DAY_MS), instance=swipes.person_id
).reduce(person_id=pw.this._pw_instance, day=pw.this._pw_window_start, count=pw.reducers.count())
pw.io.subscribe(counted, on_change)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "windows": len(counts), "swipes": sum(counts.values())}))
