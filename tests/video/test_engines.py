from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from events.errors import ConfigError
from video import dlib_engine
from video.dlib_engine import RESNET, DlibEngine
from video.engine import similarity, unit
from video.model_files import ModelError, ModelFile
from video.sface_engine import SFACE, YUNET, SFaceEngine, open_sface
from video.verdict import verdict_of_frame
from video.worker import open_engine

ENGINES = ("sface", "dlib")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    return open_engine(request.param)


@pytest.fixture(scope="module")
def pictures(photographs):
    """Photographs, made as small as a test can be quick with."""
    shrink = {"obama.jpg": 0.6, "obama3.jpg": 0.5, "biden.jpg": 0.5, "astronaut.png": 1.0}
    read = {name: np.asarray(cv2.imread(str(photographs / name)), dtype=np.uint8) for name in shrink}
    return {
        name: np.asarray(
            cv2.resize(picture, None, fx=shrink[name], fy=shrink[name], interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
        for name, picture in read.items()
    }


@pytest.fixture(scope="module")
def embeddings(engine, pictures):
    return {name: engine.embed(picture, engine.detect(picture)[0]) for name, picture in pictures.items()}


def test_an_engine_has_a_name_a_version_and_thresholds_in_order(engine):
    assert engine.name in ENGINES
    assert engine.version
    assert -1 < engine.thresholds.mismatch < engine.thresholds.match < 1


def test_the_face_is_found_where_it_is(engine, pictures):
    picture = pictures["obama.jpg"]
    face = engine.detect(picture)[0]
    left, top, right, bottom = face.box
    eyes, nose, mouth = face.landmarks[:2], face.landmarks[2], face.landmarks[3:]
    assert left < nose[0] < right
    assert top < nose[1] < bottom
    assert eyes[0][0] < nose[0] < eyes[1][0]
    assert max(eye[1] for eye in eyes) < nose[1] < min(corner[1] for corner in mouth)
    assert 0.4 < (left + right) / 2 / picture.shape[1] < 0.65


def test_faces_come_largest_first(engine, pictures):
    large = pictures["astronaut.png"]
    small = np.asarray(cv2.resize(pictures["biden.jpg"], (242, 550), interpolation=cv2.INTER_AREA))[:512]
    both = np.hstack([small, large])
    widths = [face.width_px for face in engine.detect(both)]
    assert len(widths) >= 2
    assert widths == sorted(widths, reverse=True)


def test_where_there_is_no_face_there_is_an_empty_list(engine, counter_frames):
    assert engine.detect(counter_frames(None)[0]) == []


def test_an_embedding_has_length_one_and_is_the_same_every_time(engine, pictures):
    picture = pictures["astronaut.png"]
    face = engine.detect(picture)[0]
    one, again = engine.embed(picture, face), engine.embed(picture.copy(), face)
    assert one.dtype == np.float32
    assert one.shape == (128,)
    assert float(np.linalg.norm(one)) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(one, again)


def test_the_picture_is_not_changed(engine, pictures):
    picture = pictures["astronaut.png"]
    before = picture.copy()
    engine.embed(picture, engine.detect(picture)[0])
    assert np.array_equal(picture, before)


def test_the_same_person_matches_and_different_people_do_not(engine, embeddings):
    for one, other in combinations(embeddings, 2):
        near = float(embeddings[one] @ embeddings[other])
        said = verdict_of_frame(near, engine.thresholds)
        assert said == ("match" if {one, other} == {"obama.jpg", "obama3.jpg"} else "mismatch"), (one, other, near)


def test_a_face_found_by_the_default_engine_can_be_embedded_by_each(engine, pictures, embeddings):
    for name, picture in pictures.items():
        found = open_sface().detect(picture)[0]
        near = float(engine.embed(picture, found) @ embeddings[name])
        assert verdict_of_frame(near, engine.thresholds) == "match", name


def test_similarity_is_that_with_the_nearest_reference():
    east, north = unit(np.array([1.0, 0.0])), unit(np.array([0.0, 1.0]))
    assert similarity(east, [north, east]) == pytest.approx(1)
    assert similarity(east, []) is None


def test_an_absent_model_is_a_clear_error(tmp_path):
    with pytest.raises(ModelError) as raised:
        SFaceEngine(tmp_path)
    assert str(tmp_path / "face_detection_yunet_2023mar_int8bq.onnx") in str(raised.value)
    assert YUNET.sha256 in str(raised.value)


def test_an_altered_model_is_a_clear_error(tmp_path):
    for model in (YUNET, SFACE):
        shutil.copy(model.locate(), tmp_path)
    altered = tmp_path / "face_recognition_sface_2021dec_int8bq.onnx"
    content = bytearray(altered.read_bytes())
    content[5_000] ^= 1
    altered.write_bytes(content)
    with pytest.raises(ModelError) as raised:
        SFaceEngine(tmp_path)
    assert str(altered) in str(raised.value)
    assert SFACE.sha256 in str(raised.value)


def test_an_altered_model_of_the_second_engine_is_a_clear_error_before_it_is_loaded(monkeypatch):
    monkeypatch.setattr(dlib_engine, "RESNET", replace(RESNET, sha256="0" * 64))
    with pytest.raises(ModelError) as raised:
        DlibEngine()
    assert RESNET.name in str(raised.value)
    assert "0" * 64 in str(raised.value)


def test_an_absent_model_of_the_second_engine_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(dlib_engine, "RESNET", replace(RESNET, name="models/absent.dat"))
    with pytest.raises(ModelError, match=r"absent\.dat"):
        DlibEngine()


def test_a_package_that_is_not_installed_is_a_clear_error():
    with pytest.raises(ModelError, match="package not installed"):
        ModelFile(package="no_such_package", name="models/x.onnx", sha256="0" * 64).locate()


def test_a_model_is_loaded_once_for_the_process():
    assert open_engine("sface") is open_engine("sface")


def test_an_unknown_engine_is_a_configuration_error():
    with pytest.raises(ConfigError, match="sface or dlib"):
        open_engine("oracle")
