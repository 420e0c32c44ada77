"""The metrics of events/metrics.py as one Prometheus registry of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from events.metrics import METRICS, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measurements:
    """Counts, levels and times of this process; safe to call from any thread.

    Raises: KeyError for a metric that was not declared, ValueError for labels that differ from the declaration.
    """

    def __init__(self, metrics: Iterable[Metric] = METRICS) -> None:
        self._registry = CollectorRegistry()
        declared = tuple(metrics)
        self._counters = {m: _counter(m, self._registry) for m in declared if m.kind == "counter"}
        self._gauges = {m: _gauge(m, self._registry) for m in declared if m.kind == "gauge"}
        self._histograms = {m: _histogram(m, self._registry) for m in declared if m.kind == "histogram"}
        self.refresh: Callable[[], None] = lambda: None
        """Is called before anything is told: levels are set to what holds at that moment."""

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """The counter has grown by `amount`."""
        counter = self._counters[metric]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set_level(self, metric: Metric, value: float, **labels: str) -> None:
        """The gauge stands at `value`."""
        gauge = self._gauges[metric]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def add_to_level(self, metric: Metric, amount: float, **labels: str) -> None:
        """The gauge has moved by `amount`."""
        gauge = self._gauges[metric]
        (gauge.labels(**labels) if labels else gauge).inc(amount)

    def forget(self, metric: Metric, **labels: str) -> None:
        """The gauge says nothing of these labels any more; nothing happens where it did not."""
        with suppress(KeyError):
            self._gauges[metric].remove(*(labels[name] for name in metric.labels))

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """The histogram holds one more value."""
        histogram = self._histograms[metric]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def exposition(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        self.refresh()
        return generate_latest(self._registry)


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets)
