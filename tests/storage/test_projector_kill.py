from __future__ import annotations

from contextlib import closing

import msgspec
import pytest

from storage.database import Database, default_url
from storage.projector import Projector
from tests.alerts.builders import MINUTE_MS, NOON_MS, finding, policy
from tests.app.running import run_module
from tests.storage.projections import everything
from tests.storage.projector_child import POINTS, Step


def story() -> list[Step]:
    """An alert is opened, then changed, renewed and joined by others, and one is withdrawn."""
    one = finding(settlement="S-1")
    batch = finding("card_batch", settlement="S-2")
    later_ms = NOON_MS + MINUTE_MS
    return [
        Step(raised=[one, batch], withdrawn=[], now_ms=NOON_MS),
        Step(
            raised=[
                finding("frequent_purchase", settlement="S-3", at_ms=later_ms, severity="high"),
                finding("card_batch", settlement="S-3", at_ms=later_ms, measure={"buyers": 6}),
                finding(settlement="S-4", person="psn-2", at_ms=later_ms),
            ],
            withdrawn=[msgspec.structs.replace(one, status="withdrawn")],
            now_ms=later_ms,
        ),
    ]


def take(projector: Projector, step: Step) -> None:
    projector.write_findings(step.raised, step.withdrawn, {}, step.now_ms)
    projector.project_alerts(step.now_ms)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    database = Database.open(default_url(tmp_path_factory.mktemp("undisturbed")))
    projector = Projector(database, policy())
    for step in story():
        take(projector, step)
    expected = everything(database)
    database.close()
    assert [len(rows) for rows in expected.values()] == [3, 5, 5, 5]
    return expected


@pytest.mark.crash
@pytest.mark.parametrize(("point", "steps"), [*((point, 2) for point in POINTS), ("after_findings", 1)])
def test_a_kill_at_any_point_leaves_what_an_undisturbed_run_would_have_left(undisturbed, url, point, steps):
    child = run_module("tests.storage.projector_child", url, point, given=msgspec.json.encode(story()[:steps]))
    assert child.returncode == -9
    with closing(Database.open(url)) as database:
        projector = Projector(database, policy())
        for step in story()[steps - 1 :]:  # the restarted pipeline judges its last batch again
            take(projector, step)
        assert everything(database) == undisturbed
        assert projector.project_alerts(NOON_MS) == []
