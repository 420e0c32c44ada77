"""Sealed originals at rest: the very bytes that were cut, or a word that they are not."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from app.calibrations import Calibrations
from app.cameras.intake import CameraIntake
from storage.cameras.states import CameraStates
from storage.errors import AlteredData, UnknownOriginal
from storage.evidence.originals import Original
from tests.storage.shown import Shown, original
from video.messages import OriginalCut, decode_from_worker, encode_message


@pytest.fixture
def shown(database, tmp_path):
    return Shown(database, tmp_path / "data")


@pytest.fixture
def intake(shown):
    return CameraIntake(
        evidence=shown.stills,
        originals=shown.originals,
        states=CameraStates(shown.database),
        calibrations=Calibrations(shown.database),
        submit=lambda _sender, _originals: None,
    )


def cut(of: Original) -> OriginalCut:
    """Returns the original as a worker sends it."""
    made = OriginalCut(**{name: getattr(of, name) for name in Original.__struct_fields__})
    message = decode_from_worker(encode_message(made))
    assert isinstance(message, OriginalCut)
    return message


def test_what_a_worker_cut_comes_back_byte_for_byte_with_its_times(shown, intake):
    intake.take(cut(original()))
    (kept,) = shown.originals.for_settlement("S-1")
    assert shown.originals.read(kept.original_id) == original().video
    said = {name: getattr(original(), name) for name in Original.__struct_fields__ if name != "video"}
    assert {name: getattr(kept, name) for name in said} == said
    assert kept.sha256 == hashlib.sha256(original().video).hexdigest()
    assert (kept.state, kept.removed_at_ms, kept.size_bytes) == ("kept", None, len(original().video))


def test_bytes_that_are_not_those_that_were_cut_are_not_kept_and_it_is_said(shown, intake, tmp_path):
    altered = replace(original(), video=original().video[:-1] + b"\x00")
    with pytest.raises(AlteredData, match="cam-1"):
        shown.originals.keep(altered)
    with capture_logs() as logs:
        intake.take(cut(altered))
    assert [line["event"] for line in logs] == ["camera_message.not_kept"]
    assert shown.originals.for_settlement("S-1") == []
    assert list((tmp_path / "data").rglob("*.enc")) == []


def test_a_swipe_has_one_original_of_each_camera_the_first_and_it_is_not_its_clip(shown):
    first = shown.originals.keep(original())
    assert shown.originals.keep(original(seed=2)) == first
    assert shown.originals.keep(original(camera="cam-2")) != first
    assert shown.originals.read(first) == original().video
    shown.swipe("S-1", original().swipe_at_ms)
    assert {one.clip_id for one in shown.clips.for_settlement("S-1")}.isdisjoint({first})


def test_no_plain_packet_is_ever_on_the_disk(shown, tmp_path):
    shown.originals.keep(original())
    for path in tmp_path.rglob("*.enc"):
        content = path.read_bytes()
        assert not any(original().video[start : start + 16] in content for start in range(0, 5_000, 97))


def test_an_unknown_original_is_said(shown):
    with pytest.raises(UnknownOriginal):
        shown.originals.read("0" * 32)
