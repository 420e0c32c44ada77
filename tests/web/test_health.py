from __future__ import annotations

import httpx
import pytest

from events.metrics import METRICS, NOTICES_SENT, PARTITIONS_HELD, RECORDS_BEHIND, Metric
from storage.cameras.states import CameraStates
from tests.web.world import CAMERAS_OF_FILE, World
from web.measurements import Measurements
from web.ports import NotReady


def test_the_process_says_that_it_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}


def test_what_is_not_ready_says_why(client: httpx.Client, world: World) -> None:
    world.not_ready.append(NotReady(part="pipeline", reason="reading the accepted log"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == [{"part": "pipeline", "reason": "reading the accepted log"}]
    assert client.get("/healthz").status_code == 200


def test_every_declared_metric_is_told_with_its_meaning(client: httpx.Client) -> None:
    told = client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.meaning}" in told.text
        assert f"# TYPE {metric.name} {metric.kind}" in told.text


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metrics_name_says_its_unit(metric: Metric) -> None:
    assert metric.name.startswith("swipewatch_")
    assert metric.meaning.endswith(".")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.unit in metric.name or metric.unit in {"attempts", "actions"}
    assert bool(metric.buckets) == (metric.kind == "histogram")


def test_cameras_are_counted_by_the_state_that_was_last_heard_of(client: httpx.Client, world: World) -> None:
    (one, *others) = [camera.camera_id for camera in CAMERAS_OF_FILE]
    CameraStates(world.database).put(one, "dark", "mean grey 3", since_ms=1)
    CameraStates(world.database).put("of-another-registry", "dark", "mean grey 3", since_ms=1)
    told = client.get("/metrics").text
    assert 'swipewatch_cameras{state="dark"} 1.0' in told
    assert f'swipewatch_cameras{{state="unknown"}} {len(others)}.0' in told


def test_what_is_forgotten_is_not_told_any_more_and_levels_are_those_of_the_moment() -> None:
    measurements = Measurements()
    for partition in ("0", "1"):
        measurements.set_level(RECORDS_BEHIND, 7, topic="input", partition=partition)
    measurements.refresh = lambda: measurements.set_level(PARTITIONS_HELD, 1)
    measurements.forget(RECORDS_BEHIND, topic="input", partition="1")
    measurements.forget(RECORDS_BEHIND, topic="input", partition="2")
    told = measurements.exposition().decode()
    assert 'swipewatch_records_behind{partition="0",topic="input"} 7.0' in told
    assert 'partition="1"' not in told
    assert "swipewatch_partitions_held 1.0" in told


def test_a_metric_that_was_not_declared_is_refused() -> None:
    measurements = Measurements()
    with pytest.raises(KeyError):
        measurements.count(Metric(name="x_total", kind="counter", unit="x", meaning="x."))
    with pytest.raises(KeyError):
        measurements.set_level(NOTICES_SENT, 1)
