"""The clip of an alert's swipe: who gets it, in parts, on record; and what the page says where there is none."""

from __future__ import annotations

import re

import httpx
import msgspec
import pytest

from storage.errors import DatabaseUnavailable
from storage.evidence.clips import clip_id_of
from storage.evidence.originals import KeptOriginal
from storage.evidence.owed_clips import ClipFailure, OwedClips
from storage.faces.views import FaceView, FaceViews
from storage.queries.alerts import AlertQueries
from tests.alerts.builders import OTHER_STORE
from tests.web.films import film_of_a_counter
from tests.web.world import CAMERA, World, log_in, now_ms, observation_bytes, swipe_event

ENGLISH = {"Accept-Language": "en"}
LONG_AGO_MS = 600_000


def alerted(world: World, *, ago_ms: int = LONG_AGO_MS, till: str = "1", store: str = "", **seen: object) -> str:
    """An alert about a swipe so long ago, with an observation where something was seen; returns the settlement."""
    settlement, at_ms = world.settlement(), world.now_ms() - ago_ms
    place = {"till_id": till, **({"institution_id": store} if store else {})}
    world.log(msgspec.json.encode(swipe_event(settlement, at_ms=at_ms, **place)))
    evidence = [settlement]
    if seen:
        world.log(observation_bytes(f"fo-{settlement}", settlement, at_ms + 1_000, faces=[], people=0, **seen))
        evidence.append(f"fo-{settlement}")
    world.raise_alert(
        settlement=settlement, at_ms=at_ms, till=till, evidence=evidence, **({"store": store} if store else {})
    )
    return settlement


def swiped_at(world: World, settlement: str) -> int:
    (event,) = AlertQueries(world.database).events([settlement])
    return event.occurred_at_ms


def with_clip(world: World, **changes: object) -> tuple[str, str]:
    """An alert with a clip; returns the alert's id and the clip's."""
    settlement = alerted(world)
    clip_id = world.keep_clip(settlement, swiped_at(world, settlement), film_of_a_counter(), **changes)
    return newest(world), clip_id


def newest(world: World) -> str:
    return AlertQueries(world.database).recent_alerts(1)[0].alert_id


def page_of(client: httpx.Client, world: World) -> str:
    """The part of the newest alert's page that shows its picture and clip."""
    answer = client.get(f"/alerts/{newest(world)}", headers=ENGLISH)
    assert answer.status_code == 200, answer.text
    return answer.text[answer.text.index("<figure") : answer.text.index("</figure>")]


def views(world: World) -> list[FaceView]:
    return FaceViews(world.database).latest(100)


def part(client: httpx.Client, clip_id: str, alert_id: str, asked: str | None = None) -> httpx.Response:
    headers = {"Range": asked} if asked else {}
    return client.get(f"/clips/{clip_id}", params={"alert_id": alert_id}, headers=headers)


def test_the_clip_comes_back_whole_and_says_that_it_comes_in_parts(client: httpx.Client, world: World) -> None:
    alert_id, clip_id = with_clip(world)
    answer = part(log_in(client), clip_id, alert_id)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/webm")
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == film_of_a_counter()


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-", 0, None), ("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199), ("bytes=-50", -50, None)],
)
def test_a_part_of_the_clip_is_what_was_asked_for(
    client: httpx.Client, world: World, asked: str, first: int, last: int | None
) -> None:
    alert_id, clip_id = with_clip(world)
    answer = part(log_in(client), clip_id, alert_id, asked)
    whole = film_of_a_counter()
    wanted = whole[first:] if last is None else whole[first : last + 1]
    start = len(whole) + first if first < 0 else first
    assert (answer.status_code, answer.content) == (206, wanted)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(whole)}"


def test_a_part_beyond_the_end_is_cut_there_and_one_behind_it_is_refused(client: httpx.Client, world: World) -> None:
    alert_id, clip_id = with_clip(world)
    size = len(film_of_a_counter())
    log_in(client)
    assert part(client, clip_id, alert_id, f"bytes={size - 5}-999999999").content == film_of_a_counter()[-5:]
    refused = part(client, clip_id, alert_id, f"bytes={size}-")
    assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{size}")
    assert part(client, clip_id, alert_id, "bytes=-0").status_code == 416


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=5"])
def test_a_part_that_makes_no_sense_gets_the_whole(client: httpx.Client, world: World, asked: str) -> None:
    alert_id, clip_id = with_clip(world)
    answer = part(log_in(client), clip_id, alert_id, asked)
    assert (answer.status_code, len(answer.content)) == (200, len(film_of_a_counter()))


def test_whoever_looks_is_on_record_once_however_many_parts_are_asked_for(client: httpx.Client, world: World) -> None:
    alert_id, clip_id = with_clip(world)
    log_in(client)
    for asked in ("bytes=100-", "bytes=0-", None):
        part(client, clip_id, alert_id, asked)
    (view,) = views(world)
    assert (view.username, view.still_id, view.reason) == ("operator", clip_id, f"alert {alert_id}")
    part(log_in(client, "auditor"), clip_id, alert_id)
    assert [one.username for one in views(world)] == ["auditor", "operator"]
    now_ms = world.now_ms()
    world.clock_ms = lambda: now_ms + 11 * 60_000
    part(client, clip_id, alert_id)
    assert [one.username for one in views(world)] == ["auditor", "auditor", "operator"]


def test_a_clip_of_another_alert_is_not_shown(client: httpx.Client, world: World) -> None:
    _, clip_id = with_clip(world)
    alerted(world)
    log_in(client)
    assert part(client, clip_id, newest(world)).status_code == 404
    assert part(client, clip_id, "none").status_code == 404
    assert views(world) == []


def test_a_clip_whose_file_was_altered_is_not_shown_and_nobody_has_seen_it(client: httpx.Client, world: World) -> None:
    alert_id, clip_id = with_clip(world)
    path = world.clips.path_of(clip_id)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert part(log_in(client), clip_id, alert_id).status_code >= 400
    assert views(world) == []


def test_the_page_plays_the_clip_for_those_who_may_and_says_so_to_the_others(
    client: httpx.Client, world: World
) -> None:
    with_clip(world)
    page = page_of(log_in(client), world)
    assert "<video" in page
    assert 'preload="none"' in page
    page = page_of(log_in(client, "viewer"), world)
    assert "<video" not in page
    assert "Your role does not see clips" in page


def test_a_till_without_a_camera_is_said(client: httpx.Client, world: World) -> None:
    alerted(world, till="2")
    assert "No camera mapped" in page_of(log_in(client), world)
    alerted(world, store=OTHER_STORE)
    assert "No camera mapped" in page_of(client, world)


def test_no_recording_is_said_once_none_can_come_any_more(client: httpx.Client, world: World) -> None:
    alerted(world, ago_ms=5_000)
    page = page_of(log_in(client), world)
    assert "The clip is on its way" in page
    assert "data-coming" in page
    alerted(world, ago_ms=120_000)
    page = page_of(client, world)
    assert "No clip yet" in page
    assert "data-coming" in page
    alerted(world)
    page = page_of(client, world)
    assert "No recording during the transaction" in page
    assert "data-coming" not in page


def test_a_camera_that_was_dark_at_the_swipe_is_said_though_it_is_well_again(
    client: httpx.Client, world: World
) -> None:
    alerted(world, healthy=False, camera_state="dark", boxes=[])
    world.camera("ok")
    page = page_of(log_in(client), world)
    assert re.search(r"Camera unhealthy at that time · \w+", page)
    assert "No recording during" not in page


def test_a_camera_that_came_back_only_after_the_swipe_is_said_and_one_that_was_there_is_not_blamed(
    client: httpx.Client, world: World
) -> None:
    world.camera("ok")
    alerted(world, ago_ms=-1_000)
    world.clock_ms = lambda: now_ms() + LONG_AGO_MS
    assert "No recording during the transaction" in page_of(log_in(client), world)
    alerted(world, ago_ms=2 * LONG_AGO_MS)
    page = page_of(client, world)
    assert "The camera was not working at that time" in page
    assert re.search(r"It has worked since [^.]*\d\d:\d\d", page)
    assert "No recording during" not in page


def test_a_camera_that_fell_ill_only_later_is_not_blamed(client: httpx.Client, world: World) -> None:
    alerted(world)
    world.camera("offline", "no route")
    page = page_of(log_in(client), world)
    assert "No recording during the transaction" in page


def test_of_a_clip_that_shows_a_covered_camera_the_page_says_so(client: httpx.Client, world: World) -> None:
    with_clip(world, camera_state="covered")
    page = page_of(log_in(client), world)
    assert "<video" in page
    assert "Camera unhealthy at that time · " in page


def test_two_cameras_at_one_till_have_a_player_each(client: httpx.Client, world: World) -> None:
    settlement = alerted(world)
    for camera in (CAMERA, "camera-2"):
        world.keep_clip(settlement, swiped_at(world, settlement), film_of_a_counter(), camera_id=camera)
    assert page_of(log_in(client), world).count("<video") == 2


def with_original(world: World, **changes: object) -> str:
    """An alert with an original of which no clip is made yet; returns the original's id."""
    settlement = alerted(world)
    return world.keep_original(settlement, swiped_at(world, settlement), b"packets", **changes)


def known(world: World, original_id: str) -> KeptOriginal:
    return world.originals.of(original_id)


def test_who_opens_the_page_has_the_clip_made_and_a_role_that_may_not_see_it_has_not(
    client: httpx.Client, world: World
) -> None:
    original_id = with_original(world)
    page_of(log_in(client, "viewer"), world)
    assert known(world, original_id).clip_owed_since_ms is None
    page = page_of(log_in(client), world)
    assert "The clip is being made" in page
    assert "about five seconds" in page
    assert 'data-coming="making"' in page
    assert known(world, original_id).clip_owed_since_ms is not None
    now_ms = world.now_ms()
    world.clock_ms = lambda: now_ms + 31_000
    assert "The clip is still being made" in page_of(client, world)
    settlement = known(world, original_id).settlement_id
    world.keep_clip(settlement, swiped_at(world, settlement), film_of_a_counter())
    page = page_of(client, world)
    assert "<video" in page
    assert "data-coming" not in page


def test_a_clip_that_is_asked_for_before_it_is_made_is_made_and_nobody_has_seen_anything(
    client: httpx.Client, world: World
) -> None:
    original_id = with_original(world)
    wanted, alert_id = clip_id_of(known(world, original_id).settlement_id, CAMERA), newest(world)
    assert part(log_in(client, "viewer"), wanted, alert_id).status_code == 403
    assert known(world, original_id).clip_owed_since_ms is None
    answer = part(log_in(client), wanted, alert_id, "bytes=0-")
    assert (answer.status_code, answer.json()) == (202, {"state": "making"})
    assert int(answer.headers["Retry-After"]) > 0
    assert OwedClips(world.database).claim(world.now_ms()) == original_id
    assert views(world) == []
    assert part(client, clip_id_of("another", CAMERA), alert_id).status_code == 404


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("undecodable", "Nothing in the sealed original can be decoded"),
        ("crashed", "broke off twice"),
        ("unreadable", "does not open, or was altered"),
    ],
)
def test_why_a_clip_could_not_be_made_is_said_and_the_page_waits_no_longer(
    client: httpx.Client, world: World, failure: ClipFailure, said: str
) -> None:
    original_id = with_original(world)
    OwedClips(world.database).failed(original_id, failure)
    page = page_of(log_in(client), world)
    assert said in page
    assert "data-coming" not in page
    wanted = clip_id_of(known(world, original_id).settlement_id, CAMERA)
    assert part(client, wanted, newest(world)).status_code == 404
    is_tried_again = OwedClips(world.database).claim(world.now_ms()) == original_id
    assert is_tried_again == (failure == "unreadable")


def test_a_clip_whose_original_is_missing_is_made_once_the_file_was_copied_back(
    client: httpx.Client, world: World
) -> None:
    original_id = with_original(world)
    path = world.originals.kept.files.path_of(original_id)
    backup = path.read_bytes()
    path.unlink()
    OwedClips(world.database).failed(original_id, "missing")
    page = page_of(log_in(client), world)
    assert "The clip is missing" in page
    assert "data-coming" not in page
    assert OwedClips(world.database).claim(world.now_ms()) is None
    path.write_bytes(backup)
    assert "The clip is being made" in page_of(client, world)
    assert OwedClips(world.database).claim(world.now_ms()) == original_id


def test_a_page_whose_clips_cannot_be_asked_for_shows_all_else_and_asks_again(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original_id = with_original(world)

    def full(*_: object) -> None:
        raise DatabaseUnavailable("database: disk full")

    log_in(client)
    with monkeypatch.context() as trouble:
        trouble.setattr(OwedClips, "ask", full)
        page = page_of(client, world)
    assert "The clip is still being made" in page
    assert 'data-coming="slow"' in page
    page_of(client, world)
    assert known(world, original_id).clip_owed_since_ms is not None


def test_an_original_of_an_earlier_version_is_offered_and_has_no_clip(client: httpx.Client, world: World) -> None:
    with_original(world, clip_first_at_ms=None, clip_last_at_ms=None, step_ms=None, camera_state=None)
    assert "An earlier version kept the sealed original" in page_of(log_in(client, "auditor"), world)
    assert "/originals/" in client.get(f"/alerts/{newest(world)}").text


def test_of_two_cameras_the_clip_that_is_there_plays_while_the_other_is_made(
    client: httpx.Client, world: World
) -> None:
    original_id = with_original(world, camera_id="camera-2")
    settlement = known(world, original_id).settlement_id
    world.keep_clip(settlement, swiped_at(world, settlement), film_of_a_counter())
    page = page_of(log_in(client), world)
    assert page.count("<video") == 1
    assert "The clip is being made" in page
