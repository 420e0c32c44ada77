"""Clips are made of originals when they are owed, in a process that an original may break."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from app.clip_making import ClipMaker
from app.vault import Vault
from events.findings import Severity
from storage.errors import DatabaseUnavailable
from storage.evidence.clips import KeptClip
from storage.evidence.originals import Original
from storage.evidence.owed_clips import CLAIMED_FOR_MS, OwedClips
from storage.evidence.retention import EvidenceRetention
from storage.faces.views import FaceViews
from storage.projector import Projector
from tests.alerts.builders import NOON_MS, finding, policy
from tests.app.clip_processes import BREAKS, LATE, NOTHING, breakable, never_done
from tests.app.running import CHECKOUT
from tests.web.world import poll
from video.clip_process import run
from video.original import Footage, cut_original
from video.sources.port import Packet

pytestmark = [pytest.mark.video, pytest.mark.timeout(120)]
STEP_MS, PICTURES = 200, 6
MADE_WITHIN_S = 60.0


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    opened = Vault(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def start(vault: Vault) -> Iterator[Callable[..., ClipMaker]]:
    started: list[ClipMaker] = []

    def start_maker(*, now_ms: int = NOON_MS, target=run) -> ClipMaker:
        started.append(ClipMaker(vault, clock_ms=lambda: now_ms, target=target))
        started[-1].start()
        return started[-1]

    yield start_maker
    for one in started:
        one.stop()


def footage(settlement: str) -> Footage:
    """What a camera sent around a swipe: a grey counter, a picture a step."""
    _, jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), 90, np.uint8))
    packets = tuple(
        Packet(raw_at_ms=NOON_MS + number * STEP_MS, data=jpeg.tobytes(), is_key=True, codec="mjpeg")
        for number in range(PICTURES)
    )
    return Footage(
        settlement_id=settlement,
        swipe_at_ms=NOON_MS + 500,
        camera_id="camera-1",
        camera_state="ok",
        clock_offset_ms=0,
        first_at_ms=NOON_MS,
        last_at_ms=NOON_MS + 2_000,
        step_ms=STEP_MS,
        packets=packets,
        customer=(),
    )


def kept(vault: Vault, settlement: str, video: bytes | None = None) -> str:
    """Keeps what was cut of a swipe, or other bytes in its place; returns the original's id."""
    cut = cut_original(footage(settlement))
    if video is not None:
        cut = replace(cut, video=video, sha256=hashlib.sha256(video).hexdigest())
    return vault.originals.keep(Original(**{name: getattr(cut, name) for name in Original.__struct_fields__}))


def alerted(vault: Vault, settlement: str, severity: Severity = "low") -> None:
    projector = Projector(vault.database, policy())
    found = finding(settlement=settlement, person=f"p-{settlement}", severity=severity, evidence=[settlement])
    projector.write_findings([found], [], {}, NOON_MS)
    projector.project_alerts(NOON_MS)


def clips(vault: Vault, settlement: str) -> list[KeptClip]:
    return vault.clips.for_settlement(settlement)


def made(vault: Vault, settlement: str) -> KeptClip:
    (clip,) = poll(lambda: clips(vault, settlement), MADE_WITHIN_S)
    return clip


def failure(vault: Vault, original_id: str) -> str:
    return poll(lambda: vault.originals.of(original_id).clip_failure, MADE_WITHIN_S)


def test_an_alert_has_its_clip_made_though_the_process_is_killed_and_a_swipe_without_one_when_somebody_asks(
    vault, start
):
    asked = kept(vault, "S-plain")
    kept(vault, "S-alerted")
    alerted(vault, "S-alerted")
    with capture_logs() as logs:
        maker = start()
        process = poll(lambda: maker._child._process, MADE_WITHIN_S)
        os.kill(poll(lambda: process.pid, MADE_WITHIN_S), signal.SIGKILL)
        clip = made(vault, "S-alerted")
        assert clips(vault, "S-plain") == []
        OwedClips(vault.database).ask([asked], NOON_MS)
        made(vault, "S-plain")
        maker.stop()
    assert (clip.camera_id, clip.camera_state, clip.pictures, clip.step_ms) == ("camera-1", "ok", PICTURES, STEP_MS)
    assert (clip.first_at_ms, clip.last_at_ms) == (NOON_MS, NOON_MS + (PICTURES - 1) * STEP_MS)
    assert vault.clips.read(clip.clip_id).startswith(b"\x1a\x45\xdf\xa3")
    assert vault.originals.of(asked).clip_owed_since_ms is None
    assert FaceViews(vault.database).latest(1) == []
    assert [line["event"] for line in logs] == ["clip_process.died", "clip.made", "clip.made"]


def test_originals_that_break_are_said_not_tried_for_ever_and_stop_nobody_else(vault, start):
    no_film = kept(vault, "S-no-film", NOTHING)
    breaks = kept(vault, "S-breaks", BREAKS)
    gone, altered = kept(vault, "S-gone"), kept(vault, "S-altered")
    spoilt = {one: vault.originals.kept.files.path_of(one) for one in (gone, altered)}
    backup = {one: path.read_bytes() for one, path in spoilt.items()}
    spoilt[gone].unlink()
    spoilt[altered].write_bytes(backup[altered][:-1] + b"x")
    sound = kept(vault, "S-sound")
    owed = OwedClips(vault.database)
    for number, one in enumerate((no_film, breaks, gone, altered, sound)):
        owed.ask([one], NOON_MS + number)
    with capture_logs() as logs:
        start(target=breakable)
        made(vault, "S-sound")
    failures = [failure(vault, one) for one in (no_film, breaks, gone, altered)]
    assert failures == ["undecodable", "crashed", "missing", "unreadable"]
    died = [line["tried_again"] for line in logs if line["event"] == "clip_process.died"]
    assert died == [True, False]
    assert owed.claim(NOON_MS + CLAIMED_FOR_MS) is None
    assert vault.originals.read(breaks) == BREAKS
    for one, path in spoilt.items():
        path.write_bytes(backup[one])
    owed.ask([no_film, breaks, gone, altered], NOON_MS)
    made(vault, "S-gone")
    made(vault, "S-altered")
    poll(lambda: all(vault.originals.of(one).clip_failure is None for one in spoilt), MADE_WITHIN_S)
    assert [failure(vault, one) for one in (no_film, breaks)] == ["undecodable", "crashed"]


KILLED = """
import sys
from pathlib import Path
from app.clip_making import ClipMaker
from app.vault import Vault
from tests.alerts.builders import NOON_MS
from tests.app.clip_processes import never_done
if __name__ == "__main__":
    ClipMaker(Vault(Path(sys.argv[1])), clock_ms=lambda: NOON_MS, target=never_done).start()
    sys.stdin.read()
"""


def test_what_a_killed_product_was_making_the_next_one_makes(vault, start, tmp_path):
    original_id = kept(vault, "S-1")
    alerted(vault, "S-1")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, str(script), str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as product:
        owed = OwedClips(vault.database)
        poll(lambda: vault.originals.of(original_id).clip_owed_since_ms, MADE_WITHIN_S)
        poll(lambda: owed.claim(NOON_MS) is None, MADE_WITHIN_S)
        product.kill()
    start(now_ms=NOON_MS + CLAIMED_FOR_MS, target=breakable)
    made(vault, "S-1")
    assert vault.originals.of(original_id).clip_failure is None


def test_a_product_that_is_told_to_stop_leaves_the_clip_owed_and_no_process(vault, start):
    original_id = kept(vault, "S-1")
    alerted(vault, "S-1")
    maker = start(target=never_done)
    process = poll(lambda: maker._child._process, MADE_WITHIN_S)
    maker.stop()
    assert not process.is_alive()
    assert OwedClips(vault.database).claim(NOON_MS) == original_id
    assert vault.originals.of(original_id).clip_failure is None


def test_of_a_holder_who_was_erased_while_the_clip_was_made_nothing_comes_back(vault, monkeypatch, start):
    kept(vault, "S-1")
    OwedClips(vault.database).ask([vault.originals.for_settlement("S-1")[0].original_id], NOON_MS)
    keep = vault.clips.keep

    def erased_first(clip):
        EvidenceRetention(vault.database, [vault.originals.kept]).remove_of_swipes(["S-1"], NOON_MS)
        return keep(clip)

    monkeypatch.setattr(vault.clips, "keep", erased_first)
    maker = start(target=breakable)
    poll(lambda: vault.originals.for_settlement("S-1") == [] and not clips(vault, "S-1"), MADE_WITHIN_S)
    maker.stop()
    assert clips(vault, "S-1") == []
    assert list((vault.directory / "clips").rglob("*.enc")) == []


def test_an_original_whose_clip_was_left_at_trouble_is_not_answered_for_in_the_place_of_the_next(
    vault, monkeypatch, start
):
    left, following = kept(vault, "S-left", LATE + NOTHING), kept(vault, "S-following")
    owed, troubles = OwedClips(vault.database), [DatabaseUnavailable("database: away")]
    for number, one in enumerate((left, following)):
        owed.ask([one], NOON_MS + number)
    for name in ("PAUSE_S", "RENEW_EVERY_S"):
        monkeypatch.setattr(f"app.clip_making.{name}", 0.0)

    def troubled(*_: object) -> None:
        if troubles:
            raise troubles.pop()

    monkeypatch.setattr(OwedClips, "renew", troubled)
    start(target=breakable)
    poll(lambda: vault.originals.of(following).clip_owed_since_ms is None, MADE_WITHIN_S)
    assert not troubles
    assert len(clips(vault, "S-following")) == 1
    assert [vault.originals.of(one).clip_failure for one in (left, following)] == [None, None]


def test_trouble_of_our_own_is_said_and_the_next_look_goes_on(vault, monkeypatch, start):
    kept(vault, "S-1")
    alerted(vault, "S-1")
    monkeypatch.setattr("app.clip_making.PAUSE_S", 0.0)
    of, troubles = vault.originals.of, [RuntimeError("our own")]

    def troubled(original_id: str):
        if troubles:
            raise troubles.pop()
        return of(original_id)

    monkeypatch.setattr(vault.originals, "of", troubled)
    with capture_logs() as logs:
        maker = start(target=breakable)
        poll(lambda: any(line["event"] == "clips.failed" for line in logs), MADE_WITHIN_S)
        OwedClips(vault.database).release(vault.originals.for_settlement("S-1")[0].original_id)
        made(vault, "S-1")
        maker.stop()
