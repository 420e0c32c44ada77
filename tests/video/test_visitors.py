"""Who is taken for whom: the index by itself, and beside a reading that asks every look one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from video.engine import Embedding, unit
from video.visitors.gallery import LEAST_ROWS, Gallery
from video.visitors.index import LATELY_MS, MOST_LOOKS, SAME_LOOK, VisitorIndex
from video.visitors.records import Visitor
from video.visitors.salts import DAY_MS, WEEK_MS, begins_ms, ends_ms, week_of

NOW_MS = begins_ms(week_of(1_780_000_000_000)) + DAY_MS
HERE, THERE = "P32990000001", "P32990000002"


def person(seed: int, frames: int = 3, spread: float = 0.03) -> list[Embedding]:
    """Returns embeddings of one made-up face: a direction and its neighbours."""
    random = np.random.default_rng(seed)
    centre = unit(random.normal(size=128))
    return [unit(centre + random.normal(size=128) * spread) for _ in range(frames)]


def between(one: Embedding, other: Embedding, share: float) -> Embedding:
    return unit((1 - share) * one + share * other)


def numbered() -> Callable[[int], bytes]:
    """Returns chance that repeats itself."""
    count = itertools.count(1)
    return lambda size: next(count).to_bytes(size, "big")


def test_the_same_face_gets_the_same_id_and_another_face_another():
    index = VisitorIndex()
    first = index.recognise(person(1), HERE, NOW_MS)
    assert index.recognise(person(1), THERE, NOW_MS + 60_000) == first
    assert index.recognise(person(2), HERE, NOW_MS) not in (first, None)
    assert len(index) == 2


def test_one_frame_gets_no_id_and_leaves_no_trace():
    index = VisitorIndex()
    assert index.recognise(person(1)[:1], HERE, NOW_MS) is None
    assert index.recognise([], HERE, NOW_MS) is None
    assert len(index) == 0


def test_one_frame_of_a_known_face_among_others_gets_no_id():
    index = VisitorIndex()
    index.recognise(person(1), HERE, NOW_MS)
    assert index.recognise([person(1)[0], person(2)[0], person(2)[1]], HERE, NOW_MS) is None


def test_frames_of_different_people_get_no_id():
    index = VisitorIndex()
    assert index.recognise([person(1)[0], person(2)[0]], HERE, NOW_MS) is None
    assert len(index) == 0


def test_who_was_at_the_store_lately_comes_before_somebody_elsewhere_who_is_more_alike():
    index = VisitorIndex()
    here = index.recognise(person(1)[:1] * 2, HERE, NOW_MS)
    there = index.recognise(person(2)[:1] * 2, THERE, NOW_MS + 1)
    face = between(person(2)[0], person(1)[0], 0.45)
    assert face @ person(2)[0] > face @ person(1)[0] > 0.5

    def asked(store: str, at_ms: int) -> str | None:
        return index.ask([face] * 2, store, at_ms).visitor_id

    assert asked(HERE, NOW_MS + LATELY_MS) == here
    assert asked(THERE, NOW_MS + LATELY_MS) == asked("P32990000003", NOW_MS + LATELY_MS) == there
    assert asked(HERE, NOW_MS + LATELY_MS + 1) == there


def test_a_visitor_is_forgotten_a_millisecond_after_the_time_to_live():
    for late, known in ((0, True), (1, False)):
        index = VisitorIndex(ttl_ms=2 * DAY_MS)
        first = index.recognise(person(1), HERE, NOW_MS)
        index.recognise(person(1), HERE, NOW_MS + 1_000)
        again = index.recognise(person(1), HERE, NOW_MS + 1_000 + 2 * DAY_MS + late)
        assert (again == first) == known
        assert len(index) == 1


def test_time_never_runs_backwards():
    index = VisitorIndex(ttl_ms=DAY_MS)
    first = index.recognise(person(1), HERE, NOW_MS)
    index.recognise(person(2), HERE, NOW_MS + DAY_MS + 1)
    assert index.recognise(person(1), HERE, NOW_MS + 1) != first
    index.advance(NOW_MS)
    assert len(index) == 2
    index.advance(NOW_MS + DAY_MS + 2)
    assert len(index) == 1


def test_beyond_the_capacity_the_longest_unseen_is_forgotten():
    index = VisitorIndex(capacity=3)
    ids = [index.recognise(person(seed), HERE, NOW_MS + seed) for seed in range(3)]
    index.recognise(person(0), HERE, NOW_MS + 10)
    index.recognise(person(3), HERE, NOW_MS + 20)
    assert index.recognise(person(0), HERE, NOW_MS + 30) == ids[0]
    assert index.recognise(person(1), HERE, NOW_MS + 40) != ids[1]
    assert len(index) == 3


# -------------------------------------------------------------------------------------------------- ids and their salts


def test_ids_are_not_made_from_the_face():
    ids = {VisitorIndex().recognise(person(1), HERE, NOW_MS) for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("born_ms", [begins_ms(2_900), begins_ms(2_900) + 1, begins_ms(2_901) - 1])
def test_an_id_lives_until_its_salt_ends_and_not_a_millisecond_longer(born_ms):
    index = VisitorIndex()
    first = index.recognise(person(1), HERE, born_ms)
    end_ms = begins_ms(2_900) + 2 * WEEK_MS
    assert ends_ms(week_of(born_ms)) == end_ms
    for at_ms in range(born_ms, end_ms - 1, 3 * DAY_MS):
        assert index.recognise(person(1), HERE, at_ms) == first
    assert index.recognise(person(1), HERE, end_ms - 1) == first
    second = index.recognise(person(1), HERE, end_ms)
    assert second not in (first, None)
    assert index.recognise(person(1), HERE, end_ms + 1) == second
    assert len(index) == 1
    assert index.forget(str(first)) == ()


def test_two_salts_overlap_by_seven_days():
    index = VisitorIndex()
    born_ms = begins_ms(2_900)
    old = index.recognise(person(1), HERE, born_ms)
    young = index.recognise(person(2), HERE, born_ms + WEEK_MS)
    for at_ms in range(born_ms + WEEK_MS, born_ms + 2 * WEEK_MS, DAY_MS):
        assert index.recognise(person(1), HERE, at_ms) == old
        assert index.recognise(person(2), HERE, at_ms) == young
    after_ms = born_ms + 2 * WEEK_MS
    assert index.recognise(person(1), HERE, after_ms) != old
    assert index.recognise(person(2), HERE, after_ms) == young


def test_a_salt_that_has_ended_is_not_among_what_is_remembered():
    index = VisitorIndex(random=numbered())
    index.recognise(person(1), HERE, begins_ms(2_900))
    for day in range(1, 14):
        index.recognise(person(1), HERE, begins_ms(2_900) + day * DAY_MS)
    (salt,) = index._salts.values()
    index.advance(ends_ms(2_900))
    assert len(index) == 1
    assert salt.hex() not in str(list(index.pieces()))


# ------------------------------------------------------------------------------------------------------ what people say


def test_two_visitors_that_are_one_answer_by_the_first_id():
    index = VisitorIndex()
    one, two = (index.recognise(person(seed), HERE, NOW_MS + seed) for seed in (1, 2))
    index.apply(index.join(str(one), str(two)))
    assert {index.recognise(person(seed), THERE, NOW_MS + 10) for seed in (1, 2)} == {one}
    assert (len(index), index.looks) == (1, 2)
    assert index.join(str(one), str(two)) == index.join(str(one), str(one)) == ()


def test_two_that_are_one_were_seen_when_the_last_of_them_was():
    index = VisitorIndex(ttl_ms=2 * DAY_MS)
    one = index.recognise(person(1), HERE, NOW_MS)
    two = index.recognise(person(2), THERE, NOW_MS + DAY_MS)
    index.apply(index.join(str(one), str(two)))
    (both,) = [one for piece in index.pieces() for one in piece if isinstance(one, Visitor)]
    assert (both.institution_id, both.seen_ms) == (THERE, NOW_MS + DAY_MS)
    assert index.recognise(person(1), HERE, NOW_MS + 3 * DAY_MS) == one


def test_a_salt_that_is_read_after_its_visitor_names_it_all_the_same():
    """As in a snapshot that was begun before the first visitor of a week came."""
    index, other = VisitorIndex(), VisitorIndex()
    answer = index.ask(person(1), HERE, NOW_MS)
    index.apply(answer.records)
    salted, visitor = answer.records
    other.apply([visitor, salted])
    assert other.ask(person(1), HERE, NOW_MS).visitor_id == answer.visitor_id
    assert not other.ask(person(1), HERE, NOW_MS).is_new
    assert other.forget(str(answer.visitor_id))


def test_a_forgotten_visitor_gets_another_id():
    index = VisitorIndex()
    first = index.recognise(person(1), HERE, NOW_MS)
    index.apply(index.forget(str(first)))
    assert (len(index), index.looks) == (0, 0)
    assert index.forget(str(first)) == ()
    assert index.recognise(person(1), HERE, NOW_MS + 1) not in (first, None)


# ---------------------------------------------------------------------------------------------- the same, asked naively


@dataclass
class Somebody:
    """A visitor; `born` stands for the id."""

    born: int
    store: str
    seen_ms: int
    looks: list[Embedding]


@dataclass
class Everybody:
    """The promise read aloud: each look is asked, one after the other."""

    ttl_ms: int
    capacity: int
    similarity: float = 0.5
    visitors: list[Somebody] = field(default_factory=list)

    def recognise(self, frames: list[Embedding], store: str, at_ms: int) -> int | None:
        self.visitors = [one for one in self.visitors if one.seen_ms >= at_ms - self.ttl_ms]
        if len(frames) < 2:
            return None
        lately = [one for one in self.visitors if one.store == store and one.seen_ms >= at_ms - LATELY_MS]
        found = self._agreed(frames, lately)
        if found is None and any(self._nearest(frame, self.visitors) for frame in frames):
            found = self._agreed(frames, self.visitors)
            if found is None:
                return None
        mean = unit(np.mean(frames, axis=0))
        if found is None:
            if any(sum(float(one @ other) >= self.similarity for other in frames) < 2 for one in frames):
                return None
            found = Somebody(at_ms, store, at_ms, [mean])
            self.visitors.append(found)
        else:
            scores = [float(look @ mean) for look in found.looks]
            if len(scores) < MOST_LOOKS and min(scores) >= self.similarity and max(scores) < SAME_LOOK:
                found.looks.append(mean)
            found.store, found.seen_ms = store, at_ms
        while self.looks > self.capacity:
            self.visitors.remove(min(self.visitors, key=lambda one: one.seen_ms))
        return found.born

    @property
    def looks(self) -> int:
        return sum(len(one.looks) for one in self.visitors)

    def _agreed(self, frames: list[Embedding], among: list[Somebody]) -> Somebody | None:
        named = [self._nearest(frame, among) for frame in frames]
        for one in among:
            votes = sum(other is one for other in named)
            if votes >= 2 and votes * 2 > len(frames):
                return one
        return None

    def _nearest(self, frame: Embedding, among: list[Somebody]) -> Somebody | None:
        asked = [(float(look @ frame), one) for one in among for look in one.looks]
        best, nearest = max(asked, key=lambda pair: pair[0], default=(-1.0, None))
        return nearest if best >= self.similarity else None


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_that_of_asking_each_look_one_by_one(seed):
    random = np.random.default_rng(seed)
    faces = [unit(random.normal(size=128)) for _ in range(30)]
    capacity = 40 if seed % 2 else 18
    index = VisitorIndex(ttl_ms=3 * DAY_MS, capacity=capacity)
    everybody = Everybody(ttl_ms=3 * DAY_MS, capacity=capacity)
    born: dict[str, int] = {}
    at_ms, said = NOW_MS, 0
    for _ in range(250):
        at_ms += int(random.integers(1, 4 * 3_600_000))
        face, other = (faces[number] for number in random.integers(0, len(faces), 2))
        centre = between(face, other, float(random.choice([0, 0, 0.3, 0.45, 0.5])))
        frames = [unit(centre + random.normal(size=128) * 0.06) for _ in range(random.integers(1, 5))]
        if random.random() < 0.2:
            frames[0] = other
        store = str(random.integers(3))
        expected, name = everybody.recognise(frames, store, at_ms), index.recognise(frames, store, at_ms)
        assert (name is None) == (expected is None)
        if name is not None and expected is not None:
            assert born.setdefault(name, expected) == expected
            said += 1
        assert len(index) == len(everybody.visitors)
        assert index.looks == everybody.looks
    assert said > 100
    assert len(set(born.values())) > 30


def test_looks_that_come_and_go_leave_no_hole_and_no_trace():
    random = np.random.default_rng(1)
    gallery, kept = Gallery(), {}
    for number in range(3 * LEAST_ROWS):
        owner, looks = number.to_bytes(4, "big"), [unit(random.normal(size=128)) for _ in range(1 + number % 3)]
        for look in looks:
            gallery.add(owner, look)
        kept[owner] = looks
        if number % 3 == 2:
            gone = list(kept)[int(random.integers(len(kept)))]
            gallery.remove(gone)
            del kept[gone]
    assert len(gallery) == sum(map(len, kept.values()))
    assert not gallery._faces[len(gallery) :].any()
    for owner, looks in kept.items():
        assert {look.tobytes() for look in gallery.looks(owner)} == {look.tobytes() for look in looks}
    full = gallery.room_bytes
    for owner in list(kept):
        gallery.remove(owner)
    assert len(gallery) == 0
    assert not gallery._faces.any()
    assert gallery.room_bytes < full / 2


def test_real_faces_same_person_same_id_different_people_different_ids(sface, counter_frames):
    index = VisitorIndex()
    ids = {}
    for name in ("obama.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"):
        frames = counter_frames(name)[40:46:2]
        faces = [sface.embed(frame, sface.detect(frame)[0]) for frame in frames]
        ids[name] = index.recognise(faces, HERE, NOW_MS)
    assert ids["obama.jpg"] == ids["obama3.jpg"] is not None
    assert len({ids["obama.jpg"], ids["biden.jpg"], ids["astronaut.png"]}) == 3
