"""The face model as it ships and dequantised: `python -m bench.dequantised DIR` prints JSON.

SFace comes with weights of 8 bits in blocks. Here they are written out as 32-bit numbers, with `onnx`, and both files
embed the same faces in turns, on the pinned OpenCV and on the next one: processor time for a face, and how alike the
embeddings are. `onnx` and the other OpenCV are installed into an environment of their own, under .cache/bench.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from video.evaluation.folder import middle_face, people_of, read_picture
from video.sface_engine import SFACE, open_sface

ENVIRONMENT = Path(".cache/bench/face_models")
PACKAGES = ("onnx==1.23.2", "opencv-python-headless==5.0.0.93")
SCRIPTS = Path(__file__).parent / "face_models"
Faces = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.float32]


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder a person, with that person's pictures")
    parser.add_argument("--faces", type=int, default=60)
    chosen = parser.parse_args()
    python = _environment()
    shipped = SFACE.locate()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        converted, faces = folder / "dequantised.onnx", folder / "faces.npy"
        subprocess.run([python, SCRIPTS / "convert.py", shipped, converted], check=True)
        np.save(faces, _upright_faces(chosen.folder, chosen.faces))
        runners, as_shipped = [], None
        for interpreter in (sys.executable, python):
            told, made = _measured(interpreter, folder, faces, shipped, converted)
            as_shipped = made["shipped"] if as_shipped is None else as_shipped
            runners.append(told | {"least_cosine_with_shipped": _least_cosine(as_shipped, made["dequantised"])})
        sizes = {"shipped": shipped.stat().st_size, "dequantised": converted.stat().st_size}
    print(
        json.dumps(
            {
                "bench": "dequantised",
                "faces": chosen.faces,
                "bytes": sizes,
                "runners": runners,
                "load": os.getloadavg()[0],
            }
        )
    )


def _environment() -> str:
    """Returns the interpreter of an environment with the packages."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PACKAGES]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return str(python)


def _upright_faces(folder: Path, most: int) -> Faces:
    """Returns the first faces that are found, turned upright and cut out as the model takes them."""
    engine, cut = open_sface(), cv2.FaceRecognizerSF.create(str(SFACE.locate()), "")
    found: list[Faces] = []
    for pictures in people_of(folder).values():
        picture = read_picture(pictures[0])
        face = middle_face(picture, engine.detect(picture))
        if face is not None:
            row = [*face.box[:2], face.width_px, face.box[3] - face.box[1], *np.ravel(face.landmarks), face.score]
            found.append(np.asarray(cut.alignCrop(picture, np.array(row, dtype=np.float32)), dtype=np.uint8))
        if len(found) == most:
            break
    return np.stack(found)


def _measured(
    python: str, folder: Path, faces: Path, shipped: Path, converted: Path
) -> tuple[dict[str, object], dict[str, Embeddings]]:
    """Returns how long each model takes there, and its embeddings by the model's name."""
    out = folder / "embedded.npz"
    command = [python, str(SCRIPTS / "speed.py"), str(faces), str(out), str(shipped), str(converted)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    names = {str(shipped): "shipped", str(converted): "dequantised"}
    with np.load(out) as kept:
        made = {name: kept[str(place)] for place, name in enumerate(names.values()) if str(place) in kept.files}
    return {
        "opencv": told["opencv"],
        "ms_a_face": {names[path]: value for path, value in told["ms"].items()},
        "failed": {names[path]: value for path, value in told["failed"].items()},
    }, made


def _least_cosine(one: Embeddings, other: Embeddings) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return round(float((np.sum(one * other, axis=1) / lengths).min()), 6)


if __name__ == "__main__":
    main()
