from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from app.commands import commands
from events.errors import ConfigError
from video.calibration_file import general_calibration, read_calibration
from video.engine import DetectedFace, FaceEngine, Image, Thresholds, unit
from video.evaluation.accuracy import Embedded, measure_accuracy, own_similarities, stranger_similarities
from video.evaluation.degraded import Degrading, degradings
from video.evaluation.folder import Pair, middle_face, people_of, read_pairs, read_picture
from video.evaluation.rates import Rate, accepted_at, best_threshold, folded_accuracy, threshold_at
from video.evaluation.verdicts import Trial, Visit, choose_visits, embed_references
from video.evaluation.voting import Judge, measure_voting

NAMES = {"Man": ("obama.jpg", "obama2.jpg", "obama3.jpg"), "Other": ("biden.jpg",), "Pilot": ("astronaut.png",)}
PAIRS = "2\t1\nMan\t1\t2\nMan\t1\tOther\t1\nMan\t1\t3\nMan\t2\tPilot\t1\n"


@pytest.fixture(scope="module")
def labelled(photographs, tmp_path_factory):
    """Two folds of a pair of one man and a pair of two people, as small as a test can be quick with."""
    folder = tmp_path_factory.mktemp("labelled")
    for person, files in NAMES.items():
        (folder / person).mkdir()
        for number, name in enumerate(files, start=1):
            picture = read_picture(photographs / name)
            shrink = 400 / max(picture.shape[:2])
            small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / person / f"{person}_{number:04d}.jpg"), small)
    (folder / "pairs.txt").write_text(PAIRS)
    return folder


# -------------------------------------------------------------------------------------------------------------- rates


def test_none_of_fifty_is_not_called_none_for_sure():
    assert Rate(hits=0, of=50).low == 0
    assert Rate(hits=0, of=50).high == pytest.approx(0.0713, abs=1e-3)
    assert Rate(hits=10, of=50).low < 0.2 < Rate(hits=10, of=50).high
    assert (Rate(hits=0, of=0).low, Rate(hits=0, of=0).high) == (0, 1)


def test_the_best_threshold_lies_between_what_can_be_told_apart():
    assert 0.3 < best_threshold(np.array([0.5, 0.6]), np.array([0.1, 0.3])) < 0.5


def test_a_fold_is_judged_by_the_others_threshold():
    """The second fold's pairs lie lower: a threshold that had seen them would be right on all, this one is not."""
    similarities = np.array([0.9, 0.8, 0.5, 0.4, 0.45, 0.35, 0.1, 0.0])
    same = np.array([True, True, False, False, True, True, False, False])
    fold = np.repeat([0, 1], 4)
    measured = folded_accuracy(similarities, same, fold)
    assert measured.folds == (0.5, 0.5)
    assert measured.mean == 0.5


def test_at_one_false_in_a_thousand_of_two_thousand_two_strangers_get_in():
    strange = np.linspace(0, 0.999, 2_000)
    threshold = threshold_at(strange, 1e-3)
    assert accepted_at(strange, threshold).hits == 2
    assert threshold_at(np.array([0.1, 0.4]), 1e-3) > 0.4


def test_a_missed_face_counts_against_the_engine(tmp_path):
    pairs = [
        Pair(fold=0, same=True, first=tmp_path / "a" / "1.jpg", second=tmp_path / "a" / "2.jpg"),
        Pair(fold=0, same=False, first=tmp_path / "a" / "1.jpg", second=tmp_path / "b" / "1.jpg"),
    ]
    east, north = unit(np.array([1.0, 0.0])), unit(np.array([0.0, 1.0]))
    faces = {pairs[0].first: east, pairs[0].second: None, pairs[1].second: north}
    measured = measure_accuracy(
        pairs,
        Embedded(faces=faces, refused=Rate(hits=0, of=2), problems={}),
        Thresholds(match=0.4, mismatch=0.25),
        alike_from=0.55,
    )
    assert measured.missed == Rate(hits=1, of=3)
    assert measured.accepted == Rate(hits=0, of=1)


def test_two_engines_that_vote_are_undecided_where_either_misses_a_face(tmp_path):
    pair = Pair(fold=0, same=True, first=tmp_path / "a" / "1.jpg", second=tmp_path / "a" / "2.jpg")
    north = unit(np.array([0.0, 1.0]))
    nothing = Rate(hits=0, of=2)
    sees = Embedded(faces={pair.first: north, pair.second: -north}, refused=nothing, problems={})
    misses = Embedded(faces={pair.first: north, pair.second: None}, refused=nothing, problems={})
    judges = [Judge(embedded=one, thresholds=Thresholds(match=0.4, mismatch=0.25)) for one in (sees, misses)]
    assert measure_voting([pair], judges[0], judges[0], "both").false_mismatch.hits == 1
    assert measure_voting([pair], judges[0], judges[1], "either").undecided_same.hits == 1


def test_strangers_are_all_pictures_of_different_people_and_each_pair_counts_once(tmp_path):
    faces = {
        tmp_path / person / f"{number}.jpg": unit(np.array([1.0, shift]))
        for person, number, shift in (("a", 1, 0.0), ("a", 2, 0.1), ("b", 1, 0.2), ("c", 1, 0.3))
    }
    assert len(stranger_similarities(faces)) == 5
    assert len(own_similarities(faces)) == 1


# ------------------------------------------------------------------------------------------------------------- folder


def test_pairs_have_their_fold_and_those_without_a_picture_are_left_out(labelled):
    pairs = read_pairs(labelled)
    assert [(pair.fold, pair.same) for pair in pairs] == [(0, True), (0, False), (1, True), (1, False)]
    assert {name: len(pictures) for name, pictures in people_of(labelled).items()} == {"Man": 3, "Other": 1, "Pilot": 1}


def test_of_every_fold_so_many_pairs_of_each_kind_are_taken(tmp_path):
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            (tmp_path / name / f"{name}_{number:04d}.jpg").touch()
    lines = ["2\t2", *(["A\t1\t2", "B\t1\t2", "A\t1\tB\t1", "A\t2\tB\t2"] * 2)]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    taken = [(pair.fold, pair.same) for pair in read_pairs(tmp_path, 1)]
    assert taken == [(0, True), (0, False), (1, True), (1, False)]


@pytest.mark.parametrize("text", [None, "", "no number\n", "1\nMan\t1\n", "1\nNobody\t1\t2\n"])
def test_a_folder_without_usable_pairs_is_a_clear_error(text, tmp_path):
    if text is not None:
        (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(ConfigError, match=r"pairs"):
        read_pairs(tmp_path)


# ----------------------------------------------------------------------------------------------------- worse pictures


@pytest.fixture(scope="module")
def photograph(labelled):
    return read_picture(labelled / "Man" / "Man_0001.jpg")


def _face(sface: FaceEngine, picture: Image) -> DetectedFace:
    face = middle_face(picture, sface.detect(picture))
    assert face is not None
    return face


def test_two_frames_of_one_photograph_differ_and_the_same_chance_repeats_them(sface, photograph):
    face = _face(sface, photograph)
    for way in degradings():
        chance = np.random.default_rng(5)
        one, other = way.take(photograph, face, chance), way.take(photograph, face, chance)
        assert one.shape == other.shape
        assert not np.array_equal(one, other)
        assert np.array_equal(one, way.take(photograph, face, np.random.default_rng(5)))


def test_a_face_gets_the_width_and_the_light_that_were_asked_for(sface, photograph):
    face = _face(sface, photograph)
    far = Degrading(name="far", width_px=48).take(photograph, face, np.random.default_rng(1))
    assert _face(sface, far).width_px == pytest.approx(48, rel=0.12)
    dark = Degrading(name="dark", face_grey=25).take(photograph, face, np.random.default_rng(1))
    left, top, right, bottom = (round(value) for value in face.box)
    assert cv2.cvtColor(dark, cv2.COLOR_BGR2GRAY)[top:bottom, left:right].mean() == pytest.approx(25, rel=0.2)


def test_a_covered_holder_is_never_rejected_and_a_plain_one_is_known(sface, labelled):
    trial = Trial(engine=sface, thresholds=sface.thresholds, frames=3, strangers=2, seed=1)
    visits = choose_visits(people_of(labelled), 5, seed=1)
    assert [visit.person for visit in visits] == ["Man"]
    references = embed_references(sface, visits)
    other = Visit(person="Other", photograph=visits[0].photograph, reference=labelled / "Other" / "Other_0001.jpg")
    references |= embed_references(sface, [other])
    said = {way.name: trial.measure(way, visits, references, lambda _done: None) for way in degradings()}
    assert said["plain"].inconclusive_own.hits == 0
    for name, verdicts in said.items():
        assert verdicts.false_reject.hits == 0, name
        assert verdicts.false_accept.hits == 0, name
    for name in ("20 px", "32 px", "grey 12", "grey 25", "blue mask", "white mask", "black mask", "sunglasses"):
        assert said[name].unusable.hits == 1, name


# ----------------------------------------------------------------------------------------------------------- commands


def _run(*words: str) -> str:
    done = CliRunner().invoke(commands, ["faces", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_both_engines_are_measured_side_by_side(labelled):
    table = _run("evaluate", str(labelled))
    assert "2 pairs of one person, 2 of two" in table
    (heads,) = (line.split() for line in table.splitlines() if line.strip().startswith("sface"))
    assert heads == ["sface", "dlib", "either", "both"]
    (undecided,) = (line.split() for line in table.splitlines() if line.startswith("one person undecided"))
    assert undecided.count("2") == 4
    assert "0.0000 [0.0000, 0.4345] of 5" in next(line for line in table.splitlines() if line.startswith("no face"))


def test_the_numbers_come_as_json_with_their_samples(labelled):
    told = json.loads(_run("evaluate", str(labelled), "--engine", "sface", "--json"))["engines"]["sface"]
    assert told["pairs"]["best"] == {"value": 1.0, "low": 0.51011, "high": 1.0, "hits": 4, "of": 4}
    assert told["pairs"]["folded"]["mean"] == 1.0
    assert told["speed"]["embed_ms"] > 0
    assert (told["pairs"]["alike_from"], told["pairs"]["strange_alike"]["of"]) == (0.55, 7)


def test_a_calibration_is_numbers_alone(labelled, tmp_path):
    out = tmp_path / "made.yaml"
    _run("calibrate", str(labelled), "--made-from", "a test", "--out", str(out))
    made = read_calibration(out)
    assert (made.pairs, made.people, sum(made.own)) == (3, 3, 1)
    assert not any(name in out.read_text() for name in NAMES)


def test_a_file_that_is_no_calibration_is_a_clear_error(tmp_path):
    (tmp_path / "bad.yaml").write_text("engine_version: one\n")
    with pytest.raises(ConfigError, match="calibration"):
        read_calibration(tmp_path / "bad.yaml")


def test_the_calibration_that_ships_is_of_this_engine_and_says_what_its_thresholds_are_worth(sface):
    shipped = general_calibration(sface.name, sface.version)
    assert shipped is not None
    assert shipped.is_enough
    assert 1e-5 < shipped.false_match(sface.thresholds.match) < 1e-3
    assert 1e-2 < shipped.false_match(sface.thresholds.mismatch) < 5e-2


def test_a_calibration_ships_for_the_second_engine_too(dlib):
    shipped = general_calibration(dlib.name, dlib.version)
    assert shipped is not None
    assert shipped.is_enough
    assert 1e-3 < shipped.false_match(dlib.thresholds.match) < 1e-2 < shipped.false_match(dlib.thresholds.mismatch)


def test_no_calibration_ships_for_another_engine_version():
    assert general_calibration("sface", "another") is None
    assert general_calibration("oracle", "one") is None
