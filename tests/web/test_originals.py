"""The sealed original: who gets it, for which reason, on record; and evidence that is gone, said and never a fault."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from storage.evidence.retention import EvidenceRetention, KeepingTimes
from storage.faces.views import FaceView, FaceViews
from storage.queries.alerts import AlertQueries
from tests.web.browsing import Complaints, window
from tests.web.browsing import log_in as log_in_there
from tests.web.test_clips import alerted, newest, page_of, swiped_at, with_clip
from tests.web.world import World, form_token, log_in
from web.ports import FreeSpace

ENGLISH = {"Accept-Language": "en"}
GB = 10**9
VIDEO = b"\x1a\x45\xdf\xa3 packets of a camera"
NOTHING = KeepingTimes(still_ms=0, film_ms=0, alerted_ms=dict.fromkeys(("low", "medium", "high", "critical"), 0))


def with_original(world: World) -> tuple[str, str]:
    """An alert with an original, seen by an engine; returns the alert's id and the original's."""
    settlement = alerted(world, healthy=True, engine="sface", engine_version="4.14+abc", clock_offset_ms=-1_200)
    original_id = world.keep_original(settlement, swiped_at(world, settlement), VIDEO)
    return newest(world), original_id


def asked(client: httpx.Client, original_id: str, alert_id: str, reason: str) -> httpx.Response:
    form = {"csrf": form_token(client), "alert_id": alert_id, "reason": reason}
    return client.post(f"/originals/{original_id}", data=form, headers={"Accept": "application/json"})


def views(world: World) -> list[FaceView]:
    return FaceViews(world.database).latest(10)


@pytest.mark.parametrize("role", ["auditor", "supervisor"])
def test_who_may_gets_the_very_bytes_and_the_reason_is_on_record(client: httpx.Client, world: World, role: str) -> None:
    alert_id, original_id = with_original(world)
    answer = asked(log_in(client, role), original_id, alert_id, "  case 17, asked for by the bureau ")
    assert (answer.status_code, answer.content) == (200, VIDEO)
    assert answer.headers["content-type"] == "video/x-matroska"
    assert answer.headers["content-disposition"].startswith("attachment;")
    digest = base64.b64encode(hashlib.sha256(VIDEO).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    (view,) = views(world)
    assert (view.username, view.still_id, view.reason) == (role, original_id, f"alert {alert_id}")
    assert view.note == "case 17, asked for by the bureau"
    page = log_in(client, "auditor").get("/face-views", headers=ENGLISH).text
    assert "Took the sealed original, because: case 17, asked for by the bureau" in page


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_nothing_is_given_out_nor_recorded(client: httpx.Client, world: World, reason: str) -> None:
    alert_id, original_id = with_original(world)
    assert asked(log_in(client, "auditor"), original_id, alert_id, reason).status_code == 422
    assert views(world) == []


def test_an_original_is_given_out_only_by_an_alert_about_its_swipe(client: httpx.Client, world: World) -> None:
    _, original_id = with_original(world)
    alerted(world)
    log_in(client, "auditor")
    assert asked(client, original_id, newest(world), "why").status_code == 404
    assert asked(client, original_id, "no-such-alert", "why").status_code == 404
    assert views(world) == []


def test_the_page_says_all_that_is_known_of_it_and_offers_it_by_role(client: httpx.Client, world: World) -> None:
    alert_id, original_id = with_original(world)
    page = log_in(client, "auditor").get(f"/alerts/{alert_id}", headers=ENGLISH).text
    panel = page[page.index('data-part="originals"') :].partition("</section>")[0]
    for said in (hashlib.sha256(VIDEO).hexdigest(), "camera-1", "-1.2 s", "matroska", "sface 4.14+abc"):
        assert said in panel
    assert f'action="/originals/{original_id}"' in panel
    for role in ("viewer", "operator", "administrator"):
        page = log_in(client, role).get(f"/alerts/{alert_id}", headers=ENGLISH).text
        assert hashlib.sha256(VIDEO).hexdigest() in page
        assert "/originals/" not in page


# ------------------------------------------------------------------------------------------------ evidence that is gone


def test_an_original_whose_file_is_gone_is_said_to_be_missing(client: httpx.Client, world: World) -> None:
    alert_id, original_id = with_original(world)
    world.originals.kept.files.remove(original_id)
    page = log_in(client, "auditor").get(f"/alerts/{alert_id}", headers=ENGLISH).text
    assert "missing: it is not where it should be" in page
    assert "/originals/" not in page
    assert asked(client, original_id, alert_id, "why").status_code == 410
    assert views(world) == []


def test_a_picture_and_a_clip_whose_files_are_gone_are_said_to_be_missing(client: httpx.Client, world: World) -> None:
    alert_id, clip_id = with_clip(world)
    settlement = world.clips.for_settlement(alert_settlement(world))[0].settlement_id
    still_id = world.keep_still("fo-gone", settlement, swiped_at(world, settlement))
    world.clips.path_of(clip_id).unlink()
    world.evidence.path_of(still_id).unlink()
    page = page_of(log_in(client), world)
    assert "The picture is missing" in page
    assert "The clip is missing" in page
    assert "<video" not in page
    assert "No recording" not in page
    for address in (f"/stills/{still_id}", f"/clips/{clip_id}"):
        assert client.get(address, params={"alert_id": alert_id}).status_code == 410
    assert client.get(f"/stills/{still_id}/blurred").status_code == 410


def test_what_was_deleted_in_time_is_said_to_be_and_not_that_nothing_was_recorded(
    client: httpx.Client, world: World
) -> None:
    alert_id, original_id = with_original(world)
    settlement = alert_settlement(world)
    world.keep_still("fo-x", settlement, swiped_at(world, settlement))
    clip_id = world.keep_clip(settlement, swiped_at(world, settlement), VIDEO)
    retention_of(world).remove_expired(NOTHING, world.now_ms())
    page = log_in(client, "auditor").get(f"/alerts/{alert_id}", headers=ENGLISH).text
    assert "The picture was deleted" in page
    assert "deleted on" in page.partition('data-part="originals"')[2]
    assert hashlib.sha256(VIDEO).hexdigest() in page
    assert "The clip was deleted" in page_of(client, world)
    assert "No recording" not in page_of(client, world)
    assert asked(client, original_id, alert_id, "why").status_code == 410
    assert client.get(f"/clips/{clip_id}", params={"alert_id": alert_id}).status_code == 410
    removals = client.get("/removals", headers=ENGLISH).text
    assert removals.count("Time up") == 3
    for kind in ("Pictures", "Clips", "Sealed originals"):
        assert kind in removals


def test_a_disk_nearly_full_is_said_on_the_wall_with_what_was_deleted_for_it(
    client: httpx.Client, world: World
) -> None:
    world.space = FreeSpace(free_bytes=GB, least_bytes=2 * GB)
    settlement = alerted(world)
    world.keep_clip(settlement, swiped_at(world, settlement), VIDEO)
    retention_of(world).make_room(lambda: False, world.now_ms())
    page = log_in(client).get("/", headers=ENGLISH).text
    notice = page[page.index('id="disk"') :].partition("</section>")[0]
    assert "1.0 GB are left, the limit is 2.0 GB. Within 24 hours 1 files of evidence" in notice
    assert "hidden" not in notice.partition(">")[0]
    assert "Disk nearly full" in client.get("/removals", headers=ENGLISH).text


def test_while_there_is_room_enough_the_wall_says_nothing_of_it(client: httpx.Client) -> None:
    page = log_in(client).get("/", headers=ENGLISH).text
    assert "hidden" in page[page.index('id="disk"') :].partition(">")[0]
    assert "No evidence has been deleted yet" in client.get("/removals", headers=ENGLISH).text


@pytest.mark.browser
def test_an_open_wall_hears_of_the_disk_and_an_auditor_downloads_an_original_by_its_form(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    alert_id, _ = with_original(world)
    with window(browser, complaints) as (_, page):
        log_in_there(page, address, "auditor")
        expect(page.locator("#disk")).to_be_hidden()
        world.space = FreeSpace(free_bytes=GB, least_bytes=2 * GB)
        expect(page.locator("#disk")).to_contain_text("1.0 GB are left, the limit is 2.0 GB", timeout=10_000)
        world.space = FreeSpace(free_bytes=3 * GB, least_bytes=2 * GB)
        expect(page.locator("#disk")).to_be_hidden(timeout=10_000)
        page.goto(f"{address}/alerts/{alert_id}")
        page.get_by_label("Why you need it").fill("case 17")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download the original").click()
        assert Path(download.value.path()).read_bytes() == VIDEO
    assert [view.note for view in views(world) if view.note] == ["case 17"]


def alert_settlement(world: World) -> str:
    return AlertQueries(world.database).recent_alerts(1)[0].settlement_id


def retention_of(world: World) -> EvidenceRetention:
    return EvidenceRetention(world.database, (world.evidence.kept, world.clips.kept, world.originals.kept))
