from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from events.codec import decode_event
from events.types import FaceObserved
from tests.video.counter import CAMERA, STEP_MS, Counter, packet_of
from video.camera import Camera
from video.desk import Desk, SecondOpinion
from video.engine import Embedding, Image
from video.messages import OriginalCut, PairsCounted, SwipeSeen
from video.settings import VideoSettings

STEPPED_IN = 26
"""Pictures until the visitor has stepped in: 3.6 s of empty counter, 1 s of walking, some standing."""


def test_the_holder_matches_and_somebody_else_mismatches(sface, counter_frames, reference_of):
    counter = Counter(sface)
    frames = counter_frames("obama.jpg")
    counter.show(frames[:STEPPED_IN])
    at_ms = counter.swipe("OWN", sface=reference_of(sface, "obama2.jpg"))
    counter.swipe("OTHER", sface=reference_of(sface, "biden.jpg"))
    counter.show(frames[STEPPED_IN:])
    assert set(counter.verdicts("OWN")) == {"match"}
    assert set(counter.verdicts("OTHER")) == {"mismatch"}
    for event in counter.events("OWN") + counter.events("OTHER"):
        (face,) = event["faces"]
        assert event["healthy"]
        assert event["people"] == 1
        assert face["quality"] >= 0.5
        assert at_ms - 30_000 <= event["occurred_at_ms"] <= at_ms + 15_000


def test_swapping_two_enrolments_swaps_the_verdicts(sface, counter_frames, reference_of):
    enrolled = {"A": "obama2.jpg", "B": "biden.jpg"}
    swapped = {"A": "biden.jpg", "B": "obama2.jpg"}
    counter = Counter(sface)
    frames = counter_frames("obama3.jpg")
    counter.show(frames[:STEPPED_IN])
    for name in "AB":
        counter.swipe(f"{name}-before", sface=reference_of(sface, enrolled[name]))
        counter.swipe(f"{name}-after", sface=reference_of(sface, swapped[name]))
    counter.show(frames[STEPPED_IN:])
    final = {key: counter.verdicts(key)[-1] for key in ("A-before", "B-before", "A-after", "B-after")}
    assert final == {"A-before": "match", "B-before": "mismatch", "A-after": "mismatch", "B-after": "match"}


def test_a_provisional_verdict_needs_no_picture_after_the_swipe(sface, counter_frames, reference_of):
    counter = Counter(sface)
    counter.show(counter_frames("obama.jpg")[: STEPPED_IN + 8])
    counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
    counter.work()
    (event,) = counter.events("S1")
    assert event["stage"] == "provisional"
    assert event["faces"][0]["verdict"] == "mismatch"
    assert event["faces"][0]["frames"] == 3


def test_two_pictures_of_somebody_else_are_never_a_mismatch(sface, counter_frames, reference_of):
    counter = Counter(sface)
    empty, visit = counter_frames(None), counter_frames("obama.jpg")
    counter.show(empty[:18])
    counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
    counter.show(visit[STEPPED_IN : STEPPED_IN + 6])
    counter.show(empty[24:50])
    final = counter.events("S1", "final")[0]
    assert final["faces"][0]["frames"] == 2
    assert set(counter.verdicts("S1")) == {"inconclusive"}


def test_a_holder_who_is_not_enrolled_gets_no_verdict_but_a_visitor_id(sface, counter_frames):
    counter = Counter(sface)
    frames = counter_frames("biden.jpg")
    counter.show(frames[:STEPPED_IN])
    counter.swipe("S1")
    counter.show(frames[STEPPED_IN:])
    face = counter.events("S1", "final")[0]["faces"][0]
    assert "verdict" not in face
    assert "similarity" not in face
    assert face["settlement_id"] == "S1"
    assert face["visitor_id"].startswith("v-")


def test_an_empty_counter_is_said_three_times_at_different_moments(sface, counter_frames):
    counter = Counter(sface)
    empty = counter_frames(None)
    counter.show(empty[:20])
    at_ms = counter.swipe("S1")
    counter.show(empty[20:48])
    events = counter.events("S1")
    assert len({event["occurred_at_ms"] for event in events}) == 3
    assert all(event["healthy"] and event["people"] == 0 and event["faces"] == [] for event in events)
    assert all(at_ms - 120_000 <= event["occurred_at_ms"] <= at_ms + 60_000 for event in events)
    assert counter.observed[-1].still is not None


def test_without_the_face_the_finding_changes_from_mismatch_to_nobody(sface, counter_frames, reference_of):
    said = {}
    for name in ("obama.jpg", None):
        counter = Counter(sface)
        frames = counter_frames(name)
        counter.show(frames[:STEPPED_IN])
        counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
        counter.show(frames[STEPPED_IN:48])
        said[name] = (counter.events("S1", "final")[0]["people"], counter.verdicts("S1")[-1:])
    assert said == {"obama.jpg": (1, ["mismatch"]), None: (0, [])}


def test_a_person_whose_face_is_hidden_is_somebody(sface, counter_frames):
    counter = Counter(sface)
    frames = [frame.copy() for frame in counter_frames("obama.jpg")]
    for frame in frames[18:]:
        frame[40:230] = cv2.GaussianBlur(frame[40:230], (0, 0), 25)
    counter.show(frames[:STEPPED_IN])
    counter.swipe("S1")
    counter.show(frames[STEPPED_IN:48])
    final = counter.events("S1", "final")[0]
    assert (final["healthy"], final["people"], final["faces"]) == (True, 1, [])


@pytest.mark.parametrize("spoilt", ["dark", "covered", "frozen"])
def test_nothing_is_concluded_from_a_camera_that_is(spoilt, sface, counter_frames, reference_of):
    counter = Counter(sface)
    frames = counter_frames("obama.jpg")
    ruined = {
        "dark": lambda frame: (frame * 0.04).astype(np.uint8),
        "covered": lambda _: np.random.default_rng(1).normal(120, 2, frames[0].shape).astype(np.uint8),
        "frozen": lambda _: frames[STEPPED_IN],
    }[spoilt]
    counter.show(frames[:STEPPED_IN])
    counter.show(map(ruined, frames[STEPPED_IN : STEPPED_IN + 12]))
    counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
    counter.show(map(ruined, [*frames[24:], *frames[24:32]]))
    final = counter.events("S1", "final")[0]
    assert (final["healthy"], final["people"], final["faces"]) == (False, 0, [])
    assert final["camera_state"] == spoilt
    assert counter.verdicts("S1") == []
    assert counter.states == ["ok", spoilt]


def test_a_clip_that_is_black_from_its_start_is_dark_and_not_empty(sface):
    counter = Counter(sface)
    noise = np.random.default_rng(3)
    black = [noise.integers(0, 6, (360, 640, 3)).astype(np.uint8) for _ in range(40)]
    counter.show(black[:12])
    counter.swipe("S1")
    counter.show(black[12:])
    assert counter.states == ["dark"]
    assert [event["healthy"] for event in counter.events("S1")] == [False]
    assert [event["healthy"] for event in counter.events(None)] == [False]


def test_one_face_with_four_cards_is_one_visitor(sface, counter_frames):
    counter = Counter(sface)
    frames = counter_frames("obama.jpg")
    counter.show(frames[:STEPPED_IN])
    for number in range(4):
        counter.swipe(f"S{number}")
        counter.show(frames[STEPPED_IN + 4 * number : STEPPED_IN + 4 * number + 4])
    counter.show(frames[STEPPED_IN + 16 :])
    visitors = {event["faces"][0]["visitor_id"] for n in range(4) for event in counter.events(f"S{n}")}
    assert len(visitors) == 1
    assert len(counter.visitors) == 1


def test_the_holder_beside_a_nearer_stranger_matches_and_the_stranger_stays_unnamed(
    sface, counter_frames, reference_of
):
    holder, stranger = counter_frames("obama.jpg"), counter_frames("biden.jpg")
    pictures = [np.hstack([one, _closer(other)]) for one, other in zip(holder, stranger, strict=True)]
    counter = Counter(sface)
    counter.show(pictures[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "obama2.jpg"))
    counter.show(pictures[STEPPED_IN:])
    final = counter.events("S1", "final")[0]
    nearest, other = final["faces"]
    assert final["people"] == 2
    assert set(nearest) <= {"quality", "problems"}
    assert (other["verdict"], other["settlement_id"]) == ("match", "S1")
    assert len(counter.visitors) == 1


def test_of_two_strangers_the_nearer_is_compared(sface, counter_frames, reference_of):
    far, near = counter_frames("obama.jpg"), counter_frames("biden.jpg")
    pictures = [np.hstack([one, _closer(other)]) for one, other in zip(far, near, strict=True)]
    counter = Counter(sface)
    counter.show(pictures[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "astronaut.png"))
    counter.show(pictures[STEPPED_IN:])
    nearest, other = counter.events("S1", "final")[0]["faces"]
    assert (nearest["verdict"], nearest["settlement_id"]) == ("mismatch", "S1")
    assert "verdict" not in other


def test_the_holder_who_comes_later_turns_the_verdict(sface, counter_frames, reference_of):
    stranger, holder = counter_frames("biden.jpg"), counter_frames("obama.jpg")
    counter = Counter(sface)
    counter.show(stranger[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "obama3.jpg"))
    counter.show(stranger[STEPPED_IN : STEPPED_IN + 6])
    counter.show(holder[STEPPED_IN + 6 :])
    verdicts = counter.verdicts("S1")
    assert (verdicts[0], verdicts[-1]) == ("mismatch", "match")


def test_a_face_too_small_or_too_dark_is_inconclusive(sface, counter_frames, reference_of):
    for spoil in (_farther, _darker):
        counter = Counter(sface)
        frames = [spoil(frame) for frame in counter_frames("biden.jpg")]
        counter.show(frames[:STEPPED_IN])
        counter.swipe("S1", sface=reference_of(sface, "obama2.jpg"))
        counter.show(frames[STEPPED_IN:])
        assert set(counter.verdicts("S1")) == {"inconclusive"}
        face = counter.events("S1", "final")[0]["faces"][0]
        assert face["problems"]
        assert face["quality"] < 0.5
        assert "visitor_id" not in face


def test_looking_again_sends_the_same_events(sface, counter_frames, reference_of):
    first, again = Counter(sface), Counter(sface)
    again.visitors = first.visitors
    again.__post_init__()
    for counter in (first, again):
        counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
        counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
        counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    assert [one.original for one in first.observed] == [one.original for one in again.observed]
    ids = [event["event_id"] for event in first.events("S1") + first.events(None)]
    assert len(set(ids)) == len(ids)


def test_every_observation_is_an_event_of_the_contract(sface, counter_frames, reference_of):
    counter = Counter(sface)
    counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "obama2.jpg"))
    counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    events = [decode_event(one.original) for one in counter.observed]
    assert {event.camera_id for event in events if isinstance(event, FaceObserved)} == {"c-1"}
    assert all(isinstance(event, FaceObserved) for event in events)
    raw = counter.events("S1", "final")[0]
    assert {"raw_at_ms", "clock_offset_ms", "engine", "engine_version", "boxes", "frame_size"} <= set(raw)


def test_the_camera_clock_is_corrected_to_till_time(sface, counter_frames, reference_of):
    fast = replace(CAMERA, clock_offset_ms=-90_000)
    counter = Counter(sface, camera_settings=fast)
    frames = counter_frames("obama.jpg")
    counter.shown = 450  # the camera's clock is 90 s fast
    counter.show(frames[: STEPPED_IN + 8])
    counter.desk.swipe_seen(_swipe_at(counter.now_ms - 90_000, reference_of(sface, "obama2.jpg")))
    counter.show(frames[STEPPED_IN + 8 :])
    event = counter.events("S1", "final")[0]
    assert event["raw_at_ms"] - event["occurred_at_ms"] == 90_000
    assert event["faces"][0]["verdict"] == "match"


def test_the_still_is_small_and_shows_the_customer_alone(sface, counter_frames, reference_of):
    holder, stranger = counter_frames("obama.jpg"), counter_frames("biden.jpg")
    pictures = [np.hstack([one, _closer(other)]) for one, other in zip(holder, stranger, strict=True)]
    counter = Counter(sface)
    counter.show(pictures[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "obama2.jpg"))
    counter.show(pictures[STEPPED_IN:])
    stills = [one.still for one in counter.observed if one.still is not None]
    assert stills
    assert max(map(len, stills)) <= 60_000
    shown = np.asarray(cv2.imdecode(np.frombuffer(stills[-1], np.uint8), cv2.IMREAD_COLOR), np.uint8)
    looks = [sface.embed(shown, face) @ reference_of(sface, "biden.jpg")[0] for face in sface.detect(shown)]
    assert all(look < 0.4 for look in looks)


def test_the_second_engine_speaks_once_and_last(sface, dlib, counter_frames, reference_of):
    counter = Counter(sface, second=SecondOpinion(name="dlib", open=lambda: dlib))
    counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "obama2.jpg"), dlib=reference_of(dlib, "obama2.jpg"))
    counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    scores = [event["faces"][0].get("second_similarity") for event in counter.events("S1")]
    assert scores[:-1] == [None] * (len(scores) - 1)
    assert scores[-1] >= dlib.thresholds.match


@pytest.mark.parametrize(
    ("vote", "said"),
    [("either", ["match", "match", "mismatch"]), ("both", ["inconclusive", "inconclusive", "mismatch"])],
)
def test_two_engines_that_vote_call_nobody_a_mismatch_whom_one_of_them_recognises(
    vote, said, sface, dlib_seen_before, counter_frames, reference_of
):
    counter = Counter(
        sface,
        settings=VideoSettings(cameras=(CAMERA,), vote=vote, look_every_ms=1_000),
        second=SecondOpinion(name="dlib", open=lambda: dlib_seen_before),
    )
    own = {"sface": reference_of(sface, "obama2.jpg"), "dlib": reference_of(dlib_seen_before, "obama2.jpg")}
    other = {"sface": reference_of(sface, "biden.jpg"), "dlib": reference_of(dlib_seen_before, "biden.jpg")}
    counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
    counter.swipe("first alone", sface=own["sface"], dlib=other["dlib"])
    counter.swipe("second alone", sface=other["sface"], dlib=own["dlib"])
    counter.swipe("neither", **other)
    counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    assert [counter.verdicts(swipe)[-1] for swipe in ("first alone", "second alone", "neither")] == said
    final = counter.events("second alone", "final")[0]
    (face,) = final["faces"]
    assert (final["vote"], face["second_verdict"]) == (vote, "match")
    assert face["second_similarity"] >= dlib_seen_before.thresholds.match > face["similarity"]
    assert face["second_engine_version"] == dlib_seen_before.version


def test_a_holder_whom_the_second_engine_does_not_know_is_no_mismatch_where_both_vote(
    sface, dlib_seen_before, counter_frames, reference_of
):
    counter = Counter(
        sface,
        settings=VideoSettings(cameras=(CAMERA,), vote="both", look_every_ms=1_000),
        second=SecondOpinion(name="dlib", open=lambda: dlib_seen_before),
    )
    counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
    counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    assert set(counter.verdicts("S1")) == {"inconclusive"}


def test_two_holders_who_were_recognised_are_a_pair_of_strangers(sface, counter_frames, reference_of):
    counter = Counter(sface)
    counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
    counter.swipe("S1", sface=reference_of(sface, "obama2.jpg"))
    counter.swipe("S2", sface=reference_of(sface, "obama3.jpg"))
    counter.swipe("S3", sface=reference_of(sface, "biden.jpg"))
    counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    (twice,) = [one for one in counter.said if isinstance(one, PairsCounted)]
    counter.show(counter_frames("biden.jpg")[18:STEPPED_IN])
    counter.swipe("S4", sface=reference_of(sface, "biden.jpg"))
    counter.show(counter_frames("biden.jpg")[STEPPED_IN:])
    assert [counter.verdicts(swipe)[-1] for swipe in ("S1", "S2", "S3", "S4")] == [
        "match",
        "match",
        "mismatch",
        "match",
    ]
    said = [one for one in counter.said if isinstance(one, PairsCounted)]
    assert (sum(twice.counts), [sum(one.counts) for one in said], said[-1].people) == (1, [1, 3], 3)
    assert (said[-1].camera_id, said[-1].engine_version) == ("c-1", sface.version)


def test_too_many_swipes_drop_the_oldest_and_count_it(sface, counter_frames):
    counter = Counter(sface, settings=VideoSettings(cameras=(CAMERA,), most_watches=3))
    counter.show(counter_frames(None)[:20])
    for number in range(5):
        counter.swipe(f"S{number}")
    assert (counter.desk.watched, counter.desk.dropped) == (3, 2)
    counter.show(counter_frames(None)[20:48])
    assert [bool(counter.events(f"S{number}")) for number in range(5)] == [False, False, True, True, True]


def test_an_original_outlives_its_watch_however_many_there_are(sface, counter_frames):
    counter = Counter(sface, settings=VideoSettings(cameras=(CAMERA,), most_watches=8))
    counter.show(counter_frames(None)[:5])
    for number in range(10):
        counter.swipe(f"S{number}")
        counter.show(counter_frames(None)[:4])
    counter.wait(12_000)
    assert [one.settlement_id for one in originals(counter)] == [f"S{number}" for number in range(10)]


def test_too_many_originals_drop_the_oldest_and_say_it(sface, counter_frames):
    counter = Counter(sface, settings=VideoSettings(cameras=(CAMERA,), most_watches=1))
    counter.show(counter_frames(None)[:5])
    with capture_logs() as said:
        for number in range(5):
            counter.swipe(f"S{number}")
    counter.wait(12_000)
    assert [one["dropped_count"] for one in said if one["event"] == "original.dropped"] == [1, 2]
    assert [one.settlement_id for one in originals(counter)] == ["S2", "S3", "S4"]


def originals(counter: Counter) -> list[OriginalCut]:
    return [one for one in counter.said if isinstance(one, OriginalCut)]


def test_a_swipe_long_after_a_camera_went_away_has_no_original(sface, counter_frames):
    counter = Counter(sface)
    counter.show(counter_frames(None)[:20])
    counter.camera.away("gone", counter.now_ms)
    counter.wait(60_000)
    counter.swipe("S1")
    counter.wait(15_000)
    (event,) = counter.events("S1")
    assert (event["healthy"], event["camera_state"]) == (False, "offline")
    assert originals(counter) == []


@pytest.mark.parametrize(("said_by", "said"), [((), ["offline"]), (("c-1",), []), (("c-2",), ["offline"])])
def test_a_camera_that_begins_after_a_swipe_says_so_unless_it_has_said_its_last_word_before(
    said_by, said, sface, counter_frames
):
    counter = Counter(sface)
    counter.desk.swipe_seen(replace(_swipe_at(counter.now_ms - 60_000, ()), said_by=said_by))
    counter.show(counter_frames(None)[:1])
    assert [event["camera_state"] for event in counter.events("S1")] == said
    assert (counter.desk.watched, originals(counter)) == (0, [])


def test_a_camera_that_has_said_its_last_word_gives_the_original_with_its_customer_in_silence(
    sface, counter_frames, reference_of
):
    counter = Counter(sface)
    counter.show(counter_frames("obama.jpg")[:STEPPED_IN])
    swipe = _swipe_at(counter.now_ms, reference_of(sface, "obama2.jpg"))
    counter.desk.swipe_seen(replace(swipe, said_by=(CAMERA.camera_id,)))
    counter.show(counter_frames("obama.jpg")[STEPPED_IN:])
    counter.wait(12_000)
    (original,) = originals(counter)
    assert original.customer
    assert counter.events("S1") == []


def test_a_swipe_before_an_offline_camera_says_that_there_is_no_recording(sface):
    counter = Counter(sface)
    counter.camera.away("gone", counter.now_ms)
    counter.swipe("S1")
    counter.wait(8_000)
    (event,) = counter.events("S1")
    assert (event["healthy"], event["people"], event["camera_state"]) == (False, 0, "offline")
    assert counter.states == ["offline"]


def test_a_swipe_older_than_the_memory_concludes_nothing(sface, counter_frames):
    counter = Counter(sface)
    counter.show(counter_frames(None)[:20])
    counter.desk.swipe_seen(_swipe_at(counter.now_ms - 60_000, ()))
    counter.work()
    assert counter.events("S1") == []
    assert counter.desk.watched == 0


def test_presence_is_said_at_the_start_and_at_every_interval(sface, counter_frames):
    settings = VideoSettings(cameras=(CAMERA,), presence_interval_ms=4_000)
    counter = Counter(sface, settings=settings)
    counter.show(counter_frames("obama.jpg"))
    events = counter.events(None)
    assert [event["people"] for event in events] == [0, 1, 1]
    assert all(event["healthy"] and event["stage"] == "presence" for event in events)
    assert all(set(face) <= {"quality", "problems"} for event in events for face in event["faces"])


def test_nothing_is_said_of_a_counter_that_is_not_known_yet(sface, counter_frames):
    counter = Counter(sface)
    counter.show(counter_frames(None)[:5])
    counter.swipe("S1")
    counter.camera.away("gone", counter.now_ms)
    counter.wait(8_000)
    assert {event["healthy"] for event in counter.events("S1")} == {False}
    assert counter.events(None) == []


def test_somebody_who_shows_a_face_is_said_though_the_empty_counter_is_not_known(sface, counter_frames):
    counter = Counter(sface)
    counter.show(counter_frames("obama.jpg")[STEPPED_IN : STEPPED_IN + 10])
    assert not counter.camera._at_rest.knows_counter
    (event,) = counter.events(None)
    assert (event["people"], event["healthy"]) == (1, True)


def test_a_swipe_gets_its_last_word_however_much_there_is_to_look_at_elsewhere(sface, counter_frames, reference_of):
    counter = Counter(sface)
    frames = counter_frames("obama.jpg")
    other = Camera(replace(CAMERA, camera_id="c-2", till_id="2"), sface, counter.settings)
    counter.desk = Desk(counter.settings, [other, counter.camera], sface, counter.visitors, send=counter.said.append)
    counter.show(frames[:STEPPED_IN])
    at_ms = counter.swipe("S1", sface=reference_of(sface, "biden.jpg"))
    counter.show(frames[STEPPED_IN : STEPPED_IN + 18])
    assert counter.events("S1") != []
    assert counter.events("S1", "final") == []
    for number in range(100):
        other.see(packet_of(counter_frames(None)[number % 20], at_ms - 16_000 + STEP_MS * number))
    for number in range(4):
        counter.camera.see(packet_of(frames[STEPPED_IN + 18 + number], counter.now_ms))
        counter.shown += 1
    for _ in range(4):
        assert counter.desk.work(counter.now_ms)
    assert [event["faces"][0]["verdict"] for event in counter.events("S1", "final")] == ["mismatch"]


def _swipe_at(at_ms: int, faces: Sequence[Embedding]) -> SwipeSeen:
    return SwipeSeen(
        settlement_id="S1",
        institution_id=CAMERA.institution_id,
        till_id=CAMERA.till_id,
        occurred_at_ms=at_ms,
        references={"sface": [face.tolist() for face in faces]},
    )


def _closer(frame: Image) -> Image:
    grown = np.asarray(cv2.resize(frame, None, fx=1.3, fy=1.3), dtype=np.uint8)
    return np.ascontiguousarray(grown[:360, 96 : 96 + 640])


def _darker(frame: Image) -> Image:
    return (frame * 0.18).astype(np.uint8)


def _farther(frame: Image) -> Image:
    shrunk = cv2.resize(frame, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    missing = 360 - shrunk.shape[0], 640 - shrunk.shape[1]
    whole = cv2.copyMakeBorder(shrunk, 0, missing[0], 0, missing[1], cv2.BORDER_REFLECT)
    return np.asarray(whole, dtype=np.uint8)
