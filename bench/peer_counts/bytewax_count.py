"""Swipes per card and day, in bytewax: `python bytewax_count.py FILE` prints JSON."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.files import FileSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.testing import TestingSink, run_main

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(swipe):
    return EPOCH + timedelta(milliseconds=swipe["occurred_at_ms"])


counts = []
flow = Dataflow("swipes")
lines = op.input("file", flow, FileSource(Path(sys.argv[1])))
swipes = op.map("parse", lines, json.loads)
clock = EventClock(ts_getter=moment, wait_for_system_duration=timedelta(days=3))
windower = TumblingWindower(length=timedelta(days=1), align_to=EPOCH)
counted = win.count_window("count", swipes, clock, windower, lambda swipe: swipe["person_id"])
op.output("out", counted.down, TestingSink(counts))

started = time.perf_counter()
run_main(flow)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "windows": len(counts), "swipes": sum(count for _, (_, count) in counts)}))
