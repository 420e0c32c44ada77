from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from events.errors import ConfigError
from simulator.clips import Image, Scene, compose_clip, compose_frames


def _read(path: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    frames: list[Image] = []
    while True:
        read, frame = capture.read()
        if not read:
            capture.release()
            return frames
        frames.append(np.asarray(frame, dtype=np.uint8))


def test_a_clip_has_its_scenes_and_each_picture_has_noise_of_its_own(tmp_path, photographs):
    path = tmp_path / "clip.avi"
    compose_clip(path, [Scene(None, 1.0), Scene(photographs / "astronaut.png", 4.0)], fps=5, seed=7)
    frames = _read(path)
    assert len(frames) == 25
    assert frames[0].shape == (360, 640, 3)
    assert len({frame.tobytes() for frame in frames}) == 25
    assert [found.name for found in tmp_path.iterdir()] == ["clip.avi"]


def test_the_same_arguments_give_the_same_file(tmp_path, photographs):
    scenes = [Scene(None, 0.4), Scene(photographs / "astronaut.png", 3.0)]
    digests = set()
    for name in ("one.avi", "two.avi"):
        compose_clip(tmp_path / name, scenes, fps=5, seed=7)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_person_steps_in_stands_and_leaves_and_the_face_is_wide_enough(sface, counter_frames):
    frames = counter_frames("biden.jpg")
    assert sface.detect(frames[17]) == []
    widths = [sface.detect(frame)[0].width_px for frame in frames[26:47:5]]
    assert all(85 <= width <= 140 for width in widths)
    assert all(face.box[0] > 500 for face in sface.detect(frames[-1]))


def test_a_larger_picture_shows_a_larger_face(sface, photographs):
    scenes = [Scene(photographs / "astronaut.png", 3.0)]
    frames = list(compose_frames(scenes, size=(960, 540), fps=2, seed=1))
    assert frames[3].shape == (540, 960, 3)
    assert 130 <= sface.detect(frames[3])[0].width_px <= 190


def test_the_person_sways(sface, counter_frames):
    boxes = np.array([sface.detect(frame)[0].box for frame in counter_frames("biden.jpg")[26:47:5]])
    assert 1 < np.ptp(boxes[:, 0]) < 30


def test_what_cannot_be_composed_is_a_clear_error(tmp_path, photographs):
    def compose(scene: Scene) -> None:
        list(compose_frames([scene], size=(640, 360), fps=2, seed=0))

    (tmp_path / "notes.txt").write_text("no picture")
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 200, np.uint8))
    with pytest.raises(ConfigError, match="readable picture"):
        compose(Scene(tmp_path / "notes.txt", 5.0))
    with pytest.raises(ConfigError, match="facing the camera"):
        compose(Scene(tmp_path / "wall.png", 5.0))
    with pytest.raises(ConfigError, match=r"3\.0 or more"):
        compose(Scene(photographs / "astronaut.png", 2.0))
