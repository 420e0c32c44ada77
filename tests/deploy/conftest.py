"""The cluster's containers run on the same real Kafka as the tests of the cluster."""

from tests.kafka.conftest import real_kafka

__all__ = ["real_kafka"]
