"""The example client and the API's document, against a product that runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from storage.log import AcceptedLog
from storage.queries.alerts import AlertQueries
from tests.web.world import World, bearer, poll, serving, swipe_event

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
CLIENT = CHECKOUT / "examples" / "till_client.py"


def start_client(address: str, folder: Path, answers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CLIENT), address, "--folder", str(folder), "--answers", str(answers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SWIPEWATCH_TOKEN": World.terminal},
    )


def raise_alert(world: World) -> str:
    settlement = world.settlement()
    world.log(msgspec.json.encode(swipe_event(settlement)))
    world.raise_alert(settlement=settlement)
    return settlement


def given(world: World) -> list[tuple[str, str | None]]:
    """The alerts' states and answers, oldest first."""
    return [(one.state, one.answer) for one in reversed(AlertQueries(world.database).recent_alerts(10))]


def test_the_client_shows_answers_and_registers_an_agent(world: World, address: str, tmp_path: Path) -> None:
    raise_alert(world)
    raise_alert(world)
    client = start_client(address, tmp_path / "till", 2)
    out, err = client.communicate("checked\nagent_registered\n32990000000042\n", timeout=60)
    assert client.returncode == 0, err
    assert out.count("医保温馨提示") == 2
    assert given(world) == [("answered", "checked"), ("answered", "agent_registered")]
    originals = [msgspec.json.decode(one.original) for one in AcceptedLog(world.database).read()]
    assert [one["agent_person_id"] for one in originals if one["type"] == "agent_registration"] == ["32990000000042"]


def test_what_the_client_could_not_send_arrives_once_when_the_product_is_back(
    world: World, data: Path, tmp_path: Path
) -> None:
    raise_alert(world)
    with serving(world) as address:
        client = start_client(address, tmp_path / "till", 1)
        assert client.stdin
        poll(lambda: given(world)[0][0] == "seen", 30)
    client.stdin.write("device_fault\n")
    client.stdin.close()
    poll(lambda: "device_fault" in (tmp_path / "till" / "unsent.json").read_text(), 30)
    again = World(data)
    with serving(again, port=int(address.rpartition(":")[2])):
        assert client.wait(60) == 0
    assert client.stdout
    assert client.stderr
    client.stdout.close()
    client.stderr.close()
    dossier = AlertQueries(again.database).dossier(AlertQueries(again.database).recent_alerts(1)[0].alert_id)
    again.close()
    assert dossier
    assert [one.note for one in dossier.history if one.action == "answer"] == ["device_fault"]


# ------------------------------------------------------------------------------------------------ the document


def test_the_document_describes_the_api_and_no_page(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/cameras",
        "/v1/cameras/messages",
        "/v1/cameras/report",
        "/v1/cameras/swipes",
        "/v1/cameras/visitor",
        "/v1/events",
        "/v1/terminal/notices",
        "/v1/terminal/stream",
        "/v1/terminal/alerts/{alert_id}/seen",
        "/v1/terminal/alerts/{alert_id}/acknowledge",
        "/v1/terminal/alerts/{alert_id}/answer",
    }
    for methods in document["paths"].values():
        for told in methods.values():
            assert len(told["description"]) > 60, told["summary"]
            assert "401" in told["responses"]


def test_every_schema_that_the_document_names_is_in_it(client: httpx.Client) -> None:
    text = client.get("/openapi.json").text
    schemas = msgspec.json.decode(text)["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)
    assert {"Answer", "Agent", "Notice", "NoticeList", "Problem", "EventsAnswer"} <= set(schemas)


def fields_of(document: dict[str, Any], name: str) -> set[str]:
    return set(document["components"]["schemas"][name]["properties"])


def test_what_the_api_answers_is_what_the_document_says(client: httpx.Client, world: World) -> None:
    raise_alert(world)
    document, headers = client.get("/openapi.json").json(), bearer(world.terminal)
    day = client.get("/v1/terminal/notices", headers=headers).json()
    assert set(day) == fields_of(document, "NoticeList")
    (notice,) = day["notices"]
    assert set(notice) == fields_of(document, "Notice")
    assert set(notice["body"]) == fields_of(document, "Body")
    refused = client.post("/v1/terminal/alerts/none/seen", headers=headers).json()
    assert set(refused) == fields_of(document, "Problem")
    taken = client.post("/v1/events", json=swipe_event("S-1"), headers=bearer(world.sender_for_all)).json()
    assert set(taken) == fields_of(document, "EventsAnswer")


def test_a_stranger_may_read_the_document_and_learns_no_secret(client: httpx.Client, world: World) -> None:
    text = client.get("/openapi.json").text
    assert not any(token in text for token in (world.terminal, world.sender_for_all, "安康"))
