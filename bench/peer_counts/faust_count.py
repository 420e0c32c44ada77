"""Counts each card's swipes a day with a Faust agent and a windowed Table, as Faust's user guide writes it.

Arguments: the broker, the topic that holds the swipes, how many they are. Prints JSON.
"""

import json
import logging
import os
import sys
import time
from datetime import timedelta

import faust

BROKER, TOPIC, SWIPES = sys.argv[1], sys.argv[2], int(sys.argv[3])

app = faust.App(
    "bench-count",
    broker=f"kafka://{BROKER}",
    store="memory://",
    web_enabled=False,
    topic_replication_factor=1,
    topic_partitions=1,
    datadir=sys.argv[4],
)
topic = app.topic(TOPIC, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
counts = app.Table("counts", default=int, partitions=1).tumbling(timedelta(days=1), expires=timedelta(days=40))
seen = {"swipes": 0, "since": 0.0}


@app.agent(topic)
async def count(stream):
    async for body in stream:
        if not seen["swipes"]:
            seen["since"] = time.perf_counter()
        counts[json.loads(body)["person_id"]] += 1
        seen["swipes"] += 1
        if seen["swipes"] == SWIPES:
            print(json.dumps({"seconds": time.perf_counter() - seen["since"], "swipes": SWIPES}), flush=True)
            os._exit(0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    faust.Worker(app, loglevel="CRITICAL", redirect_stdouts=False).execute_from_commandline()
