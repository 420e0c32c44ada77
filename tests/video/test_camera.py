"""One camera as the worker knows it: what is remembered, what is decoded, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from tests.video.counter import CAMERA, SETTINGS, START_MS, STEP_MS, packet_of
from tests.video.films import encode_film
from video import decoding
from video.camera import Camera
from video.decoding import Decoder
from video.engine import Image
from video.messages import CameraStateChanged, ClockOffsetEstimated
from video.packet_ring import PacketRing
from video.sample import Sample
from video.sources.demuxing import Demuxed
from video.sources.port import Packet

LOOK_MS = 600
FOREVER_MS = 1 << 50


def packets_of(film: Path, first_ms: int = START_MS) -> list[Packet]:
    """Returns what a camera sends that shows this film from first_ms on."""
    with av.open(str(film)) as container:
        demuxed = Demuxed(container, container.streams.video[0])
        return [
            Packet(
                raw_at_ms=first_ms + round(1_000 * (one.pts or 0) * one.time_base),
                data=bytes(one),
                is_key=one.is_keyframe,
                codec=demuxed.codec,
            )
            for one in demuxed
        ]


@pytest.fixture(scope="module")
def film(counter_frames, tmp_path_factory) -> list[Packet]:
    """Eleven seconds as H.264, fifteen pictures a second, a key picture every two seconds."""
    path = tmp_path_factory.mktemp("film") / "counter.mp4"
    frames = [frame for frame in counter_frames("obama.jpg") for _ in range(3)]
    encode_film(path, frames, fps=15, key_every=30, bit_rate=1_500_000)
    return packets_of(path)


@pytest.fixture
def decoded(monkeypatch) -> list[Packet]:
    """The packets that were decoded so far."""
    found: list[Packet] = []

    class Counting(Decoder):
        def decode(self, packet: Packet | None):
            if packet is not None:
                found.append(packet)
            return super().decode(packet)

    monkeypatch.setattr(decoding, "Decoder", Counting)
    return found


def shown(camera: Camera, pictures: Sequence[Image], first_ms: int = 10_000) -> None:
    for number, picture in enumerate(pictures):
        camera.see(packet_of(picture, first_ms + STEP_MS * number))
        rest(camera)


def said_of(camera: Camera) -> list[CameraStateChanged]:
    """Returns what was said of the camera's state since it was asked last."""
    return [one for one in camera.take_changes() if isinstance(one, CameraStateChanged)]


def rest(camera: Camera) -> int:
    """Looks at everything that is due at rest; returns how many pictures that were."""
    count = 0
    while camera.next_at_rest() is not None:
        count += 1
    return count


def test_an_offline_camera_is_said_once_and_well_again_at_the_first_picture(sface, counter_frames):
    camera = Camera(CAMERA, sface, SETTINGS)
    camera.away("unplugged", 1)
    camera.away("unplugged", 2)
    shown(camera, counter_frames(None)[:1], first_ms=1_000)
    assert [(change.state, change.at_ms) for change in said_of(camera)] == [("offline", 1), ("ok", 1_000)]
    assert said_of(camera) == []


def test_what_a_camera_sent_before_it_went_away_does_not_make_it_well(sface, counter_frames):
    camera = Camera(CAMERA, sface, SETTINGS)
    for number, picture in enumerate(counter_frames(None)[:10]):
        camera.see(packet_of(picture, 10_000 + STEP_MS * number))
    camera.away("unplugged", 12_000)
    assert rest(camera) == 0
    assert camera.state == "offline"


def test_only_the_last_minutes_are_remembered(counter_frames):
    ring = PacketRing(keep_ms=2_000, most_bytes=1 << 30)
    for number, picture in enumerate(counter_frames(None)[:30]):
        ring.add(packet_of(picture, 10_000 + STEP_MS * number))
    kept = ring.packets(0, FOREVER_MS)
    assert (kept[0].raw_at_ms, kept[-1].raw_at_ms) == (13_800, 15_800)


def test_the_memory_is_bounded_in_bytes_and_begins_with_a_key_picture(film):
    whole = sum(len(packet.data) for packet in film)
    ring = PacketRing(keep_ms=180_000, most_bytes=whole // 2)
    for packet in film:
        ring.add(packet)
        assert ring.bytes <= whole // 2
    kept = ring.packets(0, FOREVER_MS)
    assert kept[0].is_key
    assert kept[-1] == film[-1]
    assert sum(len(packet.data) for packet in kept) == ring.bytes > whole // 5


def test_a_stream_without_a_key_picture_fills_no_memory(film):
    ring = PacketRing(keep_ms=180_000, most_bytes=1 << 20)
    for packet in film:
        ring.add(replace_key(packet))
    assert (ring.bytes, ring.latest_ms) == (0, None)


def replace_key(packet: Packet) -> Packet:
    return Packet(raw_at_ms=packet.raw_at_ms, data=packet.data, is_key=False, codec=packet.codec)


def test_a_span_begins_at_the_key_picture_before_it(film):
    ring = PacketRing(keep_ms=180_000, most_bytes=1 << 30)
    for packet in film:
        ring.add(packet)
    kept = ring.packets(START_MS + 5_500, START_MS + 7_000)
    assert kept[0].is_key
    assert (kept[0].raw_at_ms - START_MS, kept[-1].raw_at_ms - START_MS) == (4_000, 7_000)


def test_a_span_in_which_no_picture_was_taken_has_no_packets(film):
    ring = PacketRing(keep_ms=180_000, most_bytes=1 << 30)
    for packet in film:
        ring.add(packet)
    last_ms = max(packet.raw_at_ms for packet in film)
    assert ring.packets(last_ms, FOREVER_MS)[-1].raw_at_ms == last_ms
    assert ring.packets(last_ms + 1, FOREVER_MS) == ()


def test_at_rest_only_key_pictures_are_decoded_and_few_of_them(sface, film, decoded):
    settings = replace(SETTINGS, presence_interval_ms=4_000)
    camera = Camera(CAMERA, sface, settings)
    for packet in film:
        camera.see(packet)
        rest(camera)
    later = [packet for packet in decoded if packet.raw_at_ms >= START_MS + 3_600]
    assert all(packet.is_key for packet in later)
    assert [packet.raw_at_ms - START_MS for packet in later] == [4_000, 8_000]


def test_an_empty_counter_is_known_after_seconds_however_rare_key_pictures_are(sface, film):
    camera = Camera(CAMERA, sface, SETTINGS)
    for packet in film:
        if packet.raw_at_ms <= START_MS + 3_600:
            camera.see(packet)
            rest(camera)
    assert len([packet for packet in film if packet.is_key and packet.raw_at_ms <= START_MS + 3_600]) == 2
    assert camera._at_rest.knows_counter


def test_an_empty_counter_is_learnt_though_later_key_pictures_are_there_already(sface, film):
    camera = Camera(CAMERA, sface, SETTINGS)
    for packet in film:
        camera.see(packet)
    rest(camera)
    assert camera._at_rest.knows_counter


def test_around_a_swipe_no_more_is_decoded_than_from_the_key_picture_before_to_the_last_look(sface, film, decoded):
    camera = Camera(CAMERA, sface, SETTINGS)
    for packet in film:
        camera.see(packet)
    first_ms, last_ms = START_MS + 5_000, START_MS + 7_000
    looks, after_ms = [], first_ms - 1
    while (sample := camera.next_sample(after_ms, last_ms, LOOK_MS)) is not None:
        looks.append(sample.at_ms - START_MS)
        after_ms = sample.at_ms
    assert looks == [pytest.approx(at_ms, abs=70) for at_ms in (5_000, 5_600, 6_200, 6_800)]
    times = [packet.raw_at_ms - START_MS for packet in decoded]
    assert times == sorted(set(times)), "nothing is decoded twice"
    assert (times[0], times[-1]) == (4_000, looks[-1])


def test_overlapping_swipes_decode_a_picture_once(sface, film, decoded):
    camera = Camera(CAMERA, sface, SETTINGS)
    for packet in film:
        camera.see(packet)
    span = START_MS + 4_999, START_MS + 7_000
    one = camera.next_sample(*span, LOOK_MS)
    count = len(decoded)
    assert camera.next_sample(*span, LOOK_MS) is one
    assert len(decoded) == count


def test_a_picture_is_the_one_of_its_time(sface, film, counter_frames):
    camera = Camera(CAMERA, sface, SETTINGS)
    for packet in film:
        camera.see(packet)
    sample = camera.next_sample(START_MS + 7_999, START_MS + 9_000, LOOK_MS)
    assert sample is not None
    frames = counter_frames("obama.jpg")
    number = (sample.at_ms - START_MS) // STEP_MS
    apart = [np.abs(sample.image().astype(int) - frames[number + by]).mean() for by in (-4, 0, 4)]
    assert apart[1] == min(apart)
    assert apart[1] < 6


def test_one_dark_picture_does_not_change_the_cameras_state(sface, counter_frames):
    camera = Camera(CAMERA, sface, SETTINGS)
    frames = list(counter_frames(None)[:12])
    frames[6] = (frames[6] * 0.03).astype(np.uint8)
    shown(camera, frames)
    assert [change.state for change in said_of(camera)] == ["ok"]


def test_pictures_of_another_size_are_said_and_looked_at_anew(sface, counter_frames):
    camera = Camera(CAMERA, sface, SETTINGS)
    shown(camera, counter_frames(None)[:20])
    shown(camera, [frame[::2, ::2] for frame in counter_frames(None)[:20]], first_ms=40_000)
    changes = said_of(camera)
    assert [change.state for change in changes] == ["ok", "offline", "ok"]
    assert changes[1].detail == "the picture changed from 640×360 to 320×180"


def test_pictures_that_cannot_be_decoded_are_said(sface, counter_frames):
    camera = Camera(CAMERA, sface, SETTINGS)
    shown(camera, counter_frames(None)[:3])
    for number in range(5):
        broken = packet_of(counter_frames(None)[0], 20_000 + STEP_MS * number)
        camera.see(Packet(raw_at_ms=broken.raw_at_ms, data=b"\xff\xd8\xff no picture", is_key=True, codec="mjpeg"))
        rest(camera)
    shown(camera, counter_frames(None)[3:4], first_ms=30_000)
    changes = said_of(camera)
    assert [change.state for change in changes] == ["ok", "offline", "ok"]
    assert "cannot be decoded" in changes[1].detail


def test_a_camera_that_stands_still_is_shown_and_nobody_in_its_picture(sface, counter_frames, reference_of):
    camera, person = Camera(CAMERA, sface, SETTINGS), counter_frames("obama.jpg")[40]
    shown(camera, [*counter_frames(None)[:5], *[person] * 30])
    changes = {change.state: change for change in said_of(camera)}
    assert set(changes) == {"ok", "frozen"}
    assert changes["ok"].picture is None
    picture = np.asarray(
        cv2.imdecode(np.frombuffer(changes["frozen"].picture or b"", np.uint8), cv2.IMREAD_COLOR), np.uint8
    )
    assert max(sface.embed(person, face) @ reference_of(sface, "obama.jpg")[0] for face in sface.detect(person)) > 0.6
    looks = [sface.embed(picture, face) @ reference_of(sface, "obama.jpg")[0] for face in sface.detect(picture)]
    assert max(looks, default=0) < 0.3


def test_a_clock_that_swipes_prove_wrong_is_corrected_said_and_in_the_end_drift(sface, counter_frames):
    """Short visits, each with a swipe in its middle; the camera's clock is 45 s fast."""
    camera = Camera(replace(CAMERA, clock_offset_ms=5_000), sface, SETTINGS)
    shown(camera, counter_frames(None)[:20], first_ms=START_MS - 60_000)
    random, at_ms = np.random.default_rng(2), START_MS
    for _ in range(15):
        empty_ms, visit_ms = (int(part) for part in random.integers((30_000, 8_000), (150_000, 24_000)))
        for seen_at_ms in range(at_ms, at_ms + empty_ms + visit_ms, 2_000):
            camera.saw_people(sample_at(seen_at_ms + 45_000 - 5_000), int(seen_at_ms >= at_ms + empty_ms))
        camera.swiped(at_ms + empty_ms + visit_ms // 2)
        at_ms += empty_ms + visit_ms
    estimates = [one for one in camera.take_changes() if isinstance(one, ClockOffsetEstimated)]
    assert abs(estimates[-1].offset_ms - (5_000 - 45_000)) <= estimates[-1].error_ms <= 12_000
    assert camera.settings.clock_offset_ms == estimates[-1].offset_ms
    shown(camera, counter_frames(None)[:1], first_ms=at_ms + 60_000)
    for number, picture in enumerate(counter_frames(None)[1:5]):
        shown(camera, [picture], first_ms=at_ms + 60_000 + 20_000 * (number + 1))
    states = said_of(camera)
    assert states[-1].state == "clock_drift"
    assert " s fast, ± " in states[-1].detail


def sample_at(raw_at_ms: int) -> Sample:
    picture = np.zeros((2, 2, 3), np.uint8)
    return Sample(at_ms=raw_at_ms, raw_at_ms=raw_at_ms, picture=picture, state="ok", foreground=False, size=(2, 2))
