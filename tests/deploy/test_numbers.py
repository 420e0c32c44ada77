"""Dashboard and alert rules: every number that they ask for is one that the product says, and every page is there."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.cluster_worker import WAY_OUT_CODE
from events.metrics import METRICS
from tests.deploy.composed import CHECKOUT, SERVICES, mounts
from tests.test_docs import anchors, section, table

DEPLOY = CHECKOUT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/swipewatch.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
OF_PROMETHEUS = {"up"}
LABELS_OF_PROMETHEUS = {"instance", "job", "le"}
WORDS = {
    "by", "count", "for", "histogram_quantile", "increase", "max", "or", "rate", "sum", "vector",
}  # fmt: skip
MONITORING = (CHECKOUT / "docs" / "monitoring.md").read_text()


def expressions() -> Iterator[str]:
    """Yields every question that the dashboard and the alert rules ask."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for rule in ALERTS:
        yield rule["expr"]


def unknown_names(expression: str) -> set[str]:
    """Returns the metrics and labels of a question that nobody says."""
    known, labels = set(OF_PROMETHEUS), set(LABELS_OF_PROMETHEUS)
    for metric in METRICS:
        parts = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        known |= {metric.name + part for part in parts}
        if metric.name.removesuffix("_bucket") in expression:
            labels |= set(metric.labels)
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\[[^]]*\]", "", bare)
    asked_labels = set(re.findall(r"(\w+)(?==~?\"|!=)", bare)) | {
        name.strip() for listed in re.findall(r"by \(([^)]*)\)", bare) for name in listed.split(",")
    }
    bare = re.sub(r"by \([^)]*\)|\{[^}]*\}", "", bare)
    return (set(re.findall(r"[a-z_]\w*", bare)) - known - WORDS) | (asked_labels - labels)


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_what_is_asked_for_is_said(expression: str) -> None:
    assert unknown_names(expression) == set()


@pytest.mark.parametrize(
    ("faulty", "unknown"),
    [
        ("sum(swipewatch_records_ahead)", {"swipewatch_records_ahead"}),
        ("sum by (rules) (rate(swipewatch_findings_changed_total[5m]))", {"rules"}),
        ('swipewatch_cameras{status!="ok"}', {"status"}),
        ("rate(swipewatch_step_seconds[5m])", {"swipewatch_step_seconds"}),
    ],
)
def test_a_name_that_nobody_says_is_noticed(faulty: str, unknown: set[str]) -> None:
    assert unknown_names(faulty) == unknown


def test_the_dashboard_shows_every_number_but_those_of_requests_sizes() -> None:
    asked = " ".join(expressions())
    assert {metric.name for metric in METRICS if metric.name not in asked} == {"swipewatch_request_events"}


def test_panels_do_not_lie_over_each_other_and_each_has_a_number_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        assert panel["description"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_dashboard_and_its_source_are_where_grafana_looks() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/swipewatch.yaml").read_text())["providers"]
    mounted = {mount.target: mount.source for mount in mounts(SERVICES["grafana"])}
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert source["url"] == "http://prometheus:9090"
    asked = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])}
    assert asked == {source["uid"]}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/swipewatch.json"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_rule_says_what_to_do(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["see"].partition("#")
    assert anchor in anchors(CHECKOUT / page)
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_number_is_explained() -> None:
    listed = re.findall(r"^\| `(swipewatch_\w+)` \|", MONITORING, flags=re.MULTILINE)
    assert sorted(listed) == sorted(metric.name for metric in METRICS)
    alerts = re.findall(r"^\| `([A-Z]\w+)` \|", MONITORING, flags=re.MULTILINE)
    assert alerts == [rule["alert"] for rule in ALERTS]


def test_every_exit_code_is_explained() -> None:
    codes = [row[0] for row in table(section(MONITORING, "Exit codes"))[1:]]
    assert codes == ["0", "1", "2", "3", str(WAY_OUT_CODE), f"{-signal.SIGKILL}, {128 + signal.SIGKILL}"]


def test_every_failure_has_what_is_seen_and_what_to_do() -> None:
    _, *sections = re.split(r"^## ", (CHECKOUT / "docs" / "failures.md").read_text(), flags=re.MULTILINE)
    assert sections
    assert [one.partition("\n")[0] for one in sections if "**Seen:** " not in one or "**Do:** " not in one] == []
