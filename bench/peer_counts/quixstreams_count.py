"""Swipes per card and day, in quixstreams without its broker: `python quixstreams_count.py FILE` prints JSON.

Its application reads from Kafka alone. Here its dataframe is given each message as the application's loop gives it,
with state in RocksDB and no changelog, so that what is measured is its part of the work and not the broker's.
"""

import json
import sys
import tempfile
import time
from contextvars import copy_context

from quixstreams import Application
from quixstreams.context import set_message_context
from quixstreams.models import MessageContext, TopicAdmin, TopicConfig, TopicManager

DAY_MS = 86_400_000
ONE_PARTITION = TopicConfig(
    num_partitions=1, replication_factor=1, extra_config={"retention.ms": "-1", "retention.bytes": "-1"}
)


class NoBroker(TopicAdmin):
    """Says of every topic that it is there."""

    def inspect_topics(self, topic_names, timeout=None):
        return dict.fromkeys(topic_names, ONE_PARTITION)

    def create_topics(self, topics, timeout=None, finalize_timeout=None):
        pass


with tempfile.TemporaryDirectory() as folder:
    app = Application(
        broker_address="127.0.0.1:1",
        consumer_group="bench",
        state_dir=folder,
        use_changelog_topics=False,
        auto_create_topics=False,
        loglevel="ERROR",
        topic_manager=TopicManager(NoBroker("127.0.0.1:1"), consumer_group="bench"),
    )
    topic = app.topic("swipes", value_deserializer="json", config=ONE_PARTITION)
    counts = {}
    swipes = app.dataframe(topic)
    counted = swipes.tumbling_window(DAY_MS, grace_ms=3 * DAY_MS).count().current()

    def keep(value, key, timestamp, headers):
        counts[key, value["start"]] = value["value"]

    processing, state = app._processing_context, app._state_manager
    state.on_partition_assign(counted.stream_id, 0, {})
    composed = app._dataframe_registry.compose_all(sink=keep)[topic.name]
    processing.init_checkpoint()
    started = time.perf_counter()
    with open(sys.argv[1], "rb") as file:
        for offset, line in enumerate(file):
            swipe = json.loads(line)
            context = copy_context()
            context.run(
                set_message_context, MessageContext(topic=topic.name, partition=0, offset=offset, size=len(line))
            )
            context.run(composed, swipe, swipe["person_id"], swipe["occurred_at_ms"], [])
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "windows": len(counts), "swipes": sum(counts.values())}))
