"""What stores answer: once each, to what they were shown, and with the agent's registration as an event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from storage.log import AcceptedLog
from storage.queries.alerts import AlertDossier, AlertQueries
from tests.alerts.builders import PERSON, STORE
from tests.web.world import World, bearer, swipe_event
from web.agents import is_id_card
from web.ports import Overloaded

ID_CARD = "11010519491231002X"
ANSWER_ID = "a1b2c3d4e5f6"


@pytest.fixture
def alert_id(world: World) -> str:
    """An alert about a swipe that is in the log."""
    settlement = world.settlement()
    world.log(msgspec.json.encode(swipe_event(settlement)))
    world.raise_alert(settlement=settlement)
    return dossier(world).alert.alert_id


def dossier(world: World) -> AlertDossier:
    queries = AlertQueries(world.database)
    found = queries.dossier(queries.recent_alerts(1)[0].alert_id)
    assert found
    return found


def answers(world: World) -> list[str]:
    return [entry.note for entry in dossier(world).history if entry.action == "answer"]


def registered(world: World) -> list[dict[str, Any]]:
    events = [msgspec.json.decode(logged.original) for logged in AcceptedLog(world.database).read()]
    return [event for event in events if event["type"] == "agent_registration"]


def answer(client: httpx.Client, alert_id: str, token: str = World.terminal, **said: object) -> httpx.Response:
    body = {"kind": "checked", "answer_id": ANSWER_ID, **said}
    return client.post(f"/v1/terminal/alerts/{alert_id}/answer", json=body, headers=bearer(token))


def with_agent(client: httpx.Client, alert_id: str, number: str = ID_CARD, kind: str = "id_card") -> httpx.Response:
    return answer(client, alert_id, kind="agent_registered", agent={"kind": kind, "number": number})


def test_an_answer_that_is_sent_again_counts_once(client: httpx.Client, world: World, alert_id: str) -> None:
    for _ in range(3):
        assert answer(client, alert_id, kind="other", text="稍后").json()["answer"] == "other"
    assert answers(world) == ["other: 稍后"]


def test_an_answer_id_stands_for_one_answer(client: httpx.Client, world: World, alert_id: str) -> None:
    answer(client, alert_id)
    refused = answer(client, alert_id, kind="need_help")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "answer_id_taken")
    assert answer(client, alert_id, kind="need_help", answer_id="another-one").status_code == 200
    assert answers(world) == ["checked", "need_help"]


def test_two_terminals_may_happen_on_the_same_answer_id(client: httpx.Client, world: World, alert_id: str) -> None:
    answer(client, alert_id)
    world.accounts.put_token("terminal", "ankang-back", [STORE], 1, token="swt_back")  # noqa: S106 - a test's own
    assert answer(client, alert_id, token="swt_back", kind="need_help").status_code == 200  # noqa: S106 - as above
    assert answers(world) == ["checked", "need_help"]


@pytest.mark.parametrize("answer_id", ["", "short", "with space in it", "x" * 65])
def test_an_answer_id_is_8_to_64_plain_characters(client: httpx.Client, alert_id: str, answer_id: str) -> None:
    assert answer(client, alert_id, answer_id=answer_id).status_code == 422


def test_an_agent_becomes_an_event_that_names_the_settlement(client: httpx.Client, world: World, alert_id: str) -> None:
    assert with_agent(client, alert_id).status_code == 200
    (event,) = registered(world)
    settlement = dossier(world).alert.settlement_id
    assert (event["settlement_id"], event["holder_person_id"], event["institution_id"]) == (settlement, PERSON, STORE)
    assert event["agent_person_id"] == "mark-of-002X"
    assert answers(world) == ["agent_registered"]


def test_an_agent_that_is_sent_again_is_registered_once(client: httpx.Client, world: World, alert_id: str) -> None:
    for _ in range(3):
        assert with_agent(client, alert_id, "32990000000042", "person_id").status_code == 200
    assert [event["agent_person_id"] for event in registered(world)] == ["32990000000042"]


def test_what_the_pipeline_could_not_take_is_registered_when_it_is_sent_again(
    client: httpx.Client, world: World, alert_id: str
) -> None:
    world.intake.refuse_with = Overloaded("full", retry_after_s=1)
    refused = with_agent(client, alert_id)
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    world.intake.refuse_with = None
    assert with_agent(client, alert_id).status_code == 200
    assert len(registered(world)) == 1
    assert answers(world) == ["agent_registered"]


def test_an_identity_cards_number_is_nowhere_in_the_database(client: httpx.Client, data: Path, alert_id: str) -> None:
    with_agent(client, alert_id)
    kept = b"".join(file.read_bytes() for file in data.glob("swipewatch.db*"))
    assert ID_CARD[:17].encode() not in kept
    assert b"mark-of-002X" in kept


@pytest.mark.parametrize(
    ("kind", "number", "code"),
    [
        ("id_card", "110105194912310021", "bad_agent"),
        ("id_card", "42", "bad_agent"),
        ("person_id", "with space", "bad_agent"),
        ("person_id", "9" * 31, "bad_agent"),
        ("person_id", PERSON, "agent_is_holder"),
    ],
)
def test_a_number_that_is_no_agents_is_refused(
    client: httpx.Client, world: World, alert_id: str, kind: str, number: str, code: str
) -> None:
    refused = with_agent(client, alert_id, number, kind)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, code)
    assert (answers(world), registered(world)) == ([], [])


def test_the_last_digit_of_an_identity_card_is_checked() -> None:
    assert is_id_card(ID_CARD)
    assert not any(is_id_card(f"{ID_CARD[:17]}{last}") for last in "0123456789")


def test_an_agent_counts_though_the_centre_has_closed_the_alert(
    client: httpx.Client, world: World, alert_id: str
) -> None:
    world.projector.close(alert_id, "operator", "false_alarm", world.clock_ms())
    refused = with_agent(client, alert_id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "illegal_transition")
    assert len(registered(world)) == 1


def test_a_terminal_registers_nobody_for_another_store(client: httpx.Client, world: World, alert_id: str) -> None:
    assert answer(client, alert_id, token=world.terminal_elsewhere).status_code == 404
    assert registered(world) == []


def test_an_answer_that_comes_late_does_not_answer_what_was_asked_since(
    client: httpx.Client, world: World, alert_id: str
) -> None:
    headers = bearer(world.terminal)
    (notice,) = client.get("/v1/terminal/notices", headers=headers).json()["notices"]
    answer(client, alert_id, answer_id="the-first")
    now = world.clock_ms
    world.clock_ms = lambda: now() + 60_000
    again = world.settlement()
    world.raise_alert(settlement=again, person=dossier(world).findings[0].finding.key["person_id"])
    assert dossier(world).alert.state == "open"
    late = answer(client, alert_id, answer_id="the-second", notice_id=notice["notice_id"])
    assert (late.status_code, late.json()["error"]["code"]) == (409, "asked_again")
    client.post(
        f"/v1/terminal/alerts/{alert_id}/acknowledge", params={"notice_id": notice["notice_id"]}, headers=headers
    )
    (newer,) = client.get("/v1/terminal/notices", headers=headers).json()["notices"]
    assert newer["acknowledged"] is False
    assert answer(client, alert_id, answer_id="the-third", notice_id=newer["notice_id"]).status_code == 200
    assert answers(world) == ["checked", "checked"]


def test_an_answer_given_earlier_registers_the_agent_at_its_own_time_and_never_in_the_future(
    client: httpx.Client, world: World, alert_id: str
) -> None:
    world.clock_ms = lambda: 1_800_000_000_000
    for given, said_at_ms in (("earlier-one", 1_799_999_990_000), ("a-fast-clock", 1_800_000_090_000)):
        agent = {"kind": "person_id", "number": given}
        answer(
            client, alert_id, kind="agent_registered", answer_id=given, answered_at_ms=said_at_ms, agent=agent
        ).raise_for_status()
    assert [event["occurred_at_ms"] for event in registered(world)] == [1_799_999_990_000, 1_800_000_000_000]


def test_an_agent_goes_with_no_other_answer(client: httpx.Client, alert_id: str) -> None:
    agent = {"kind": "id_card", "number": ID_CARD}
    assert answer(client, alert_id, kind="checked", agent=agent).status_code == 422
