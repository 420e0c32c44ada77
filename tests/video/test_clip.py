"""The clip of a swipe from real pixels: it plays, it tells the time, and it shows nobody but the customer."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from simulator.clips import Scene, compose_frames
from tests.video.counter import CAMERA, SETTINGS, START_MS, STEP_MS, Counter
from tests.video.test_desk import STEPPED_IN
from video.clip import ClipMade, Seen, encode_webm, follow_customer, hidden_in, make_clip
from video.engine import Image, similarity
from video.messages import OriginalCut
from video.original import Footage, cut_original, packets_of
from video.sources.demuxing import Demuxed
from video.sources.port import Packet

SHORT = replace(SETTINGS, clip_before_ms=2_000, clip_after_ms=2_000)
LEAST_LIKENESS = 0.4


class Filmed(Counter):
    """A counter of whose original a clip is made."""

    @property
    def originals(self) -> list[OriginalCut]:
        return [one for one in self.said if isinstance(one, OriginalCut)]

    def clip(self) -> ClipMade:
        (original,) = self.originals
        made = make_clip(original, self.engine.detect)
        assert made is not None
        return made


def pictures_of(webm: bytes, tmp_path: Path) -> list[Image]:
    path = tmp_path / "clip.webm"
    path.write_bytes(webm)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == 1000 / STEP_MS
    found: list[Image] = []
    while True:
        read, image = capture.read()
        if not read:
            return found
        found.append(np.asarray(image, dtype=np.uint8))


def likeness(engine, image: Image, references) -> float:
    """The greatest likeness of any face in the picture with the references; -1 where there is no face."""
    return max((similarity(engine.embed(image, face), references) or -1 for face in engine.detect(image)), default=-1)


def differs(one: Image, other: Image) -> float:
    return float(cv2.absdiff(one, other).mean())


def test_the_clip_begins_before_the_swipe_ends_after_it_and_tells_both_clocks(sface, counter_frames, tmp_path):
    camera = replace(CAMERA, clock_offset_ms=1_700)
    counter = Filmed(sface, camera_settings=camera, settings=SHORT)
    frames = counter_frames("obama.jpg")
    counter.show(frames[:STEPPED_IN])
    swipe_at_ms = counter.swipe("S1") + 1_700
    counter.desk._filming[0].swipe = replace(counter.desk._filming[0].swipe, occurred_at_ms=swipe_at_ms)
    counter.show(frames[STEPPED_IN : STEPPED_IN + 30])
    clip = counter.clip()
    assert (clip.settlement_id, clip.camera_id, clip.camera_state) == ("S1", "c-1", "ok")
    assert clip.swipe_at_ms == swipe_at_ms
    assert clip.first_at_ms == clip.first_raw_at_ms + clip.clock_offset_ms
    assert clip.clock_offset_ms == 1_700
    assert 0 <= clip.first_at_ms - (swipe_at_ms - 2_000) < STEP_MS
    assert 0 <= swipe_at_ms + 2_000 - clip.last_at_ms < STEP_MS
    shown = pictures_of(clip.webm, tmp_path)
    assert len(shown) == clip.pictures == (clip.last_at_ms - clip.first_at_ms) // STEP_MS + 1
    first = (clip.first_raw_at_ms - START_MS) // STEP_MS
    for number, picture in enumerate(shown):
        apart = [differs(picture, frames[first + number + by]) for by in (-3, 0, 3)]
        assert apart[1] < 8, number
        assert apart[1] <= min(apart) + 0.5, number


def test_the_clip_begins_where_the_memory_begins(sface, counter_frames, tmp_path):
    counter = Filmed(sface, settings=replace(SHORT, clip_before_ms=10_000))
    frames = counter_frames("obama.jpg")
    counter.show(frames[:5])
    swipe_at_ms = counter.swipe("S1")
    counter.show(frames[5:40])
    clip = counter.clip()
    assert swipe_at_ms - clip.first_at_ms == 5 * STEP_MS
    assert len(pictures_of(clip.webm, tmp_path)) == clip.pictures


def test_a_gap_of_the_camera_is_blank_and_the_times_stay_right(sface, counter_frames, tmp_path):
    counter = Filmed(sface, settings=SHORT)
    frames = counter_frames("obama.jpg")
    counter.show(frames[:STEPPED_IN])
    counter.swipe("S1")
    counter.show(frames[STEPPED_IN : STEPPED_IN + 2])
    counter.shown += 8
    counter.show(frames[STEPPED_IN + 10 : STEPPED_IN + 36])
    clip = counter.clip()
    shown = pictures_of(clip.webm, tmp_path)
    blank = [number for number, picture in enumerate(shown) if picture.std() < 3]
    assert len(shown) == clip.pictures + 8 == (clip.last_at_ms - clip.first_at_ms) // STEP_MS + 1
    assert blank
    assert all(10 < number < 20 for number in blank)
    assert differs(shown[-1], frames[STEPPED_IN + 10]) < 40


def test_a_camera_that_gave_nothing_has_no_clip(sface):
    counter = Filmed(sface, settings=SHORT)
    counter.camera.away("gone", counter.now_ms)
    counter.swipe("S1")
    counter.wait(8_000)
    assert counter.originals == []
    assert counter.events("S1", "final")[0]["camera_state"] == "offline"


def test_of_a_dark_camera_the_clip_says_so(sface):
    counter = Filmed(sface, settings=SHORT)
    noise = np.random.default_rng(3)
    black = [noise.integers(0, 6, (360, 640, 3)).astype(np.uint8) for _ in range(40)]
    counter.show(black[:12])
    counter.swipe("S1")
    counter.show(black[12:])
    assert counter.clip().camera_state == "dark"


@pytest.fixture(scope="module")
def two_people(photographs) -> list[Image]:
    """A customer at the left, nearer, and somebody behind at the right who was not there at first."""
    size = (640, 360)
    left = list(compose_frames([Scene(None, 3.6), Scene(photographs / "obama.jpg", 7.4)], size=size, fps=5, seed=4))
    right = list(compose_frames([Scene(None, 3.6), Scene(photographs / "biden.jpg", 7.4)], size=size, fps=5, seed=4))
    joined = []
    for one, other in zip(left, right, strict=True):
        picture = one.copy()
        picture[:, :320] = one[:, 160:480]
        small = cv2.resize(other[:, 160:480], (240, 270), interpolation=cv2.INTER_AREA)
        picture[:, 320:] = cv2.resize(other, size)[:, 320:]
        picture[60:330, 360:600] = small
        joined.append(picture)
    return joined


def test_the_bystander_is_in_no_picture_and_the_customer_in_most(sface, two_people, reference_of, tmp_path):
    customer, bystander = reference_of(sface, "obama.jpg"), reference_of(sface, "biden.jpg")
    counter = Filmed(sface, settings=SHORT)
    counter.show(two_people[:STEPPED_IN])
    counter.swipe("S1", sface=customer)
    counter.show(two_people[STEPPED_IN : STEPPED_IN + 25])
    seen_before = [likeness(sface, picture, bystander) for picture in two_people[STEPPED_IN::6]]
    assert max(seen_before) > LEAST_LIKENESS, "the bystander must be recognisable before"
    shown = pictures_of(counter.clip().webm, tmp_path)
    assert max(likeness(sface, picture, bystander) for picture in shown[::2]) < LEAST_LIKENESS
    recognised = [likeness(sface, picture, customer) >= LEAST_LIKENESS for picture in shown[-12::3]]
    assert sum(recognised) >= 3


def test_without_a_customer_who_was_compared_nobody_is_shown(sface, two_people, reference_of, tmp_path):
    counter = Filmed(sface, settings=SHORT)
    counter.show(two_people[:STEPPED_IN])
    counter.swipe("S1")
    counter.show(two_people[STEPPED_IN : STEPPED_IN + 25])
    (original,) = counter.originals
    made = make_clip(replace(original, customer=()), sface.detect)
    assert made is not None
    for name in ("obama.jpg", "biden.jpg"):
        found = [likeness(sface, one, reference_of(sface, name)) for one in pictures_of(made.webm, tmp_path)[::4]]
        assert max(found) < LEAST_LIKENESS


def test_a_bystander_whom_the_detector_misses_once_stays_hidden_there():
    place, there = (10.0, 10.0, 60.0, 60.0), (200.0, 10.0, 260.0, 80.0)
    boxes = [(place, there), (there,), (place, there)]
    seen = follow_customer([Seen(at_ms=at * 200, boxes=one) for at, one in enumerate(boxes)], [(0, there)])
    assert [one.customer for one in seen] == [1, 0, 1]
    assert [hidden_in(seen, index) for index in range(3)] == [[place], [place, place], [place]]


def test_whoever_comes_to_the_customers_place_after_a_while_is_hidden():
    place = (10.0, 10.0, 60.0, 60.0)
    seen = [Seen(at_ms=at_ms, boxes=(place,)) for at_ms in (0, 200, 1_000)]
    assert [one.customer for one in follow_customer(seen, [(0, place)])] == [0, 0, None]


def test_a_clip_is_never_on_a_disk_unsealed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = opened()
    found: set[str] = set()

    def frames() -> Iterator[Image]:
        for _ in range(5):
            yield np.zeros((90, 160, 3), np.uint8)
            found.update(opened() - before, map(str, tmp_path.rglob("*")))

    webm = encode_webm(frames(), STEP_MS)
    assert webm is not None
    assert webm.startswith(b"\x1a\x45\xdf\xa3")
    assert found == set()
    assert encode_webm([], STEP_MS) is None


def opened() -> set[str]:
    """Returns the files that this process has open."""
    with contextlib.suppress(FileNotFoundError):  # one was closed while it was looked at
        return {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir() if one.exists()}
    return opened()


def test_what_was_cut_comes_out_again_packet_by_packet_though_pictures_look_back_on_later_ones():
    packets = looking_back()
    assert [one.raw_at_ms for one in packets] != sorted(one.raw_at_ms for one in packets)
    cut = cut_original(footage_of(packets))
    again = list(packets_of(cut))
    assert [(one.raw_at_ms, one.is_key, one.codec) for one in again] == [
        (one.raw_at_ms, one.is_key, one.codec) for one in packets
    ]
    assert all(out.data.endswith(into.data[-20:]) for out, into in zip(again, packets, strict=True))
    made = make_clip(cut, lambda _picture: [])
    assert made is not None
    assert (made.pictures, made.first_raw_at_ms) == (12, START_MS)


@pytest.mark.parametrize("video", [b"", b"no Matroska", b"\x1a\x45\xdf\xa3" + bytes(500)])
def test_of_an_original_that_is_no_film_there_is_no_clip(video):
    cut = cut_original(footage_of(looking_back()))
    assert make_clip(replace(cut, video=video), lambda _picture: []) is None


def looking_back() -> list[Packet]:
    """Twelve pictures in H.264, some of which are sent after later ones that they look back on."""
    film = io.BytesIO()
    with av.open(film, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=5, options={"bf": "2", "b_strategy": "0", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for number in range(12):
            picture = np.full((90, 160, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    film.seek(0)
    with av.open(film, "r") as container:
        demuxed = Demuxed(container, container.streams.video[0])
        return [
            Packet(raw_at_ms=START_MS + (packet.pts or 0), data=bytes(packet), is_key=packet.is_keyframe, codec="h264")
            for packet in demuxed
        ]


def footage_of(packets: list[Packet]) -> Footage:
    return Footage(
        settlement_id="S1",
        swipe_at_ms=START_MS,
        camera_id="c-1",
        camera_state="ok",
        clock_offset_ms=0,
        first_at_ms=START_MS,
        last_at_ms=START_MS + 10_000,
        step_ms=STEP_MS,
        packets=tuple(packets),
        customer=(),
    )
