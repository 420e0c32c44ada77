"""Prints as JSON how long each model takes for a face, in turns: `python speed.py FACES OUT MODEL ...`.

FACES are upright faces as numpy keeps them; what the models make of them is written to OUT.
"""

import json
import sys
import time

import cv2
import numpy as np


def main(faces, out, *paths):
    cv2.setNumThreads(1)
    models, failed = {}, {}
    for path in paths:
        try:
            models[path] = cv2.FaceRecognizerSF.create(path, "")
            models[path].feature(np.zeros((112, 112, 3), np.uint8))
        except cv2.error as error:
            models.pop(path, None)
            failed[path] = str(error).strip().splitlines()[-1]
    taken, made = {path: [] for path in models}, {path: [] for path in models}
    for face in np.load(faces):
        for path, model in models.items():
            started = time.process_time()
            embedding = model.feature(face)
            taken[path].append((time.process_time() - started) * 1000)
            made[path].append(np.array(embedding).ravel())
    np.savez(out, **{str(paths.index(path)): np.stack(made[path]) for path in models})
    medians = {path: round(float(np.median(taken[path])), 1) for path in models}
    print(json.dumps({"opencv": cv2.__version__, "ms": medians, "failed": failed}))


main(*sys.argv[1:])
