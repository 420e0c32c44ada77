from __future__ import annotations

from collections.abc import Sequence

import httpx
import msgspec
import pytest

from events.findings import Finding
from storage.alerts.centre_desk import CentreDesk
from storage.alerts.search import AlertFilter
from storage.queries.alerts import AlertQueries, HistoryEntry
from tests.alerts.builders import OTHER_STORE, PERSON, STORE
from tests.web.world import World, form_token, log_in, swipe_event

ENGLISH = {"Accept-Language": "en"}
HOUR_MS = 3_600_000


def newest(world: World) -> str:
    return AlertQueries(world.database).recent_alerts(1)[0].alert_id


def history(world: World, alert_id: str) -> Sequence[HistoryEntry]:
    dossier = AlertQueries(world.database).dossier(alert_id)
    assert dossier is not None
    return dossier.history


def alert_page(client: httpx.Client, world: World) -> str:
    answer = client.get(f"/alerts/{newest(world)}", headers=ENGLISH)
    assert answer.status_code == 200, answer.text
    return answer.text


def send(client: httpx.Client, path: str, **fields: str) -> int:
    return client.post(path, data={"csrf": form_token(client), **fields}).status_code


def grown(world: World, delay_ms: int) -> Finding:
    """A batch of five cards that a sixth swipe, which came `delay_ms` after it happened, made critical."""
    swipes = [world.settlement() for _ in range(6)]
    for settlement in swipes[:5]:
        world.log(msgspec.json.encode(swipe_event(settlement, till_id="2")))
    found = world.raise_alert("card_batch", settlement=swipes[4], till="2", evidence=swipes[:5], measure={"buyers": 5})
    happened_at_ms = world.now_ms() - delay_ms
    world.log(msgspec.json.encode(swipe_event(swipes[5], at_ms=happened_at_ms)), received_at_ms=world.now_ms())
    later = msgspec.structs.replace(found, measure={"buyers": 6}, severity="critical", evidence=swipes)
    world.projector.write_findings([later], [], {found.finding_id: f"swipe:{swipes[5]}"}, world.now_ms())
    world.projector.project_alerts(world.now_ms())
    return later


def test_the_page_says_what_a_late_swipe_changed_and_that_it_was_late(client: httpx.Client, world: World) -> None:
    grown(world, 2 * HOUR_MS)
    page = alert_page(log_in(client), world)
    assert "What later events changed" in page
    assert "came 2 h late" in page
    for said in ("Medium → <b>Critical</b>", "5 → <b>6</b>", "5 → <b>6 (+1)</b>"):
        assert said in page, said


def test_a_change_by_a_swipe_in_time_is_not_called_late(client: httpx.Client, world: World) -> None:
    grown(world, 2_000)
    page = alert_page(log_in(client), world)
    assert "What later events changed" in page
    assert " late</span>" not in page


def test_a_finding_that_never_changed_has_no_list_of_changes(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    assert "What later events changed" not in alert_page(log_in(client), world)


def test_the_page_shows_the_past_of_card_and_store(client: httpx.Client, world: World) -> None:
    world.raise_alert("frequent_purchase", person=PERSON, store=OTHER_STORE)
    elsewhere = newest(world)
    world.raise_alert("closed_hours")
    here = newest(world)
    world.raise_alert("holder_mismatch", person=PERSON)
    page = alert_page(log_in(client), world)
    assert page.count(f'href="/alerts/{elsewhere}"') == 1
    assert page.count(f'href="/alerts/{here}"') == 1
    assert page.count("alerts: 2") == 2
    assert f"/alerts?person={PERSON}" in page
    assert PERSON not in alert_page(log_in(client, "viewer"), world)


def test_what_is_older_than_thirty_days_is_past_history(client: httpx.Client, world: World) -> None:
    now_ms = world.now_ms()
    world.clock_ms = lambda: now_ms - 31 * 24 * HOUR_MS
    world.raise_alert("closed_hours")
    old = newest(world)
    world.clock_ms = lambda: now_ms
    world.raise_alert("holder_mismatch")
    assert f'href="/alerts/{old}"' not in alert_page(log_in(client), world)


def test_a_rule_that_is_snoozed_for_a_person_makes_no_alert_of_theirs_until_it_ends(
    client: httpx.Client, world: World
) -> None:
    world.raise_alert(person="p-1")
    alert_id = newest(world)
    log_in(client)
    about = "holder_mismatch person_id=p-1"
    assert send(client, f"/alerts/{alert_id}/snooze", about=about, reason="twins", lasting="day") == 303
    page = alert_page(client, world)
    assert "Rule snoozed" in page
    assert "twins" in page
    assert "is snoozed:" in page
    now_ms = world.now_ms()
    world.clock_ms = lambda: now_ms + 2 * HOUR_MS
    world.raise_alert(person="p-1")
    world.raise_alert(person="p-2")
    found = AlertQueries(world.database).search(AlertFilter(), 10)
    assert len(found) == 2
    snoozed = CentreDesk(world.database).snoozes(world.now_ms())
    end = f"/snoozes/{snoozed[0].snooze_id}/end"
    assert send(client, end, alert_id=alert_id) == 303
    last = history(world, alert_id)[-1]
    assert (last.action, last.actor, last.at_ms) == ("snooze_ended", "operator", world.now_ms())
    assert "Snooze ended" in client.get(f"/alerts/{alert_id}", headers=ENGLISH).text
    assert send(client, end, alert_id=alert_id) == 404
    assert history(world, alert_id)[-1] == last
    world.clock_ms = lambda: now_ms + 4 * HOUR_MS
    world.raise_alert(person="p-1")
    assert len(AlertQueries(world.database).search(AlertFilter(), 10)) == 3
    assert CentreDesk(world.database).snoozes(world.now_ms()) == []


@pytest.mark.parametrize(
    ("about", "reason", "lasting"),
    [
        ("holder_mismatch person_id=somebody-else", "x", "day"),
        ("card_batch person_id=p-1", "x", "day"),
        ("holder_mismatch person_id=p-1", "  ", "day"),
        ("holder_mismatch person_id=p-1", "x", "for ever"),
    ],
)
def test_a_snooze_of_something_else_without_reason_or_end_is_refused(
    client: httpx.Client, world: World, about: str, reason: str, lasting: str
) -> None:
    world.raise_alert(person="p-1")
    log_in(client)
    assert send(client, f"/alerts/{newest(world)}/snooze", about=about, reason=reason, lasting=lasting) == 422
    assert CentreDesk(world.database).snoozes(0) == []


def test_an_alert_is_handed_to_an_auditor_with_a_note(client: httpx.Client, world: World) -> None:
    world.raise_alert()
    alert_id = newest(world)
    log_in(client)
    assert send(client, f"/alerts/{alert_id}/hand-over", note=" ") == 422
    assert send(client, f"/alerts/{alert_id}/hand-over", note="third time this week") == 303
    page = alert_page(client, world)
    assert "Handed to an auditor" in page
    assert page.count("third time this week") == 2
    case = CentreDesk(world.database).cases_of(alert_id)[0]
    assert (case.opened_by, case.note) == ("operator", "third time this week")
    assert f"Case {case.case_id}" in page


def test_a_viewer_is_offered_no_act_and_none_is_taken(client: httpx.Client, world: World) -> None:
    world.raise_alert(person="p-1")
    alert_id = newest(world)
    page = alert_page(log_in(client, "viewer"), world)
    assert "Close this alert" not in page
    assert "Snooze a rule" not in page
    assert "Hand to an auditor" not in page
    about = "holder_mismatch person_id=p-1"
    assert send(client, f"/alerts/{alert_id}/snooze", about=about, reason="x", lasting="day") == 403
    assert send(client, f"/alerts/{alert_id}/hand-over", note="x") == 403


def test_an_act_on_an_unknown_alert_is_not_found(client: httpx.Client) -> None:
    log_in(client)
    about = f"holder_mismatch institution_id={STORE}"
    assert send(client, "/alerts/none/snooze", about=about, reason="x", lasting="day") == 404
    assert send(client, "/alerts/none/hand-over", note="x") == 404
