"""Pseudonymous visitors: the same face gets the same random id while it is remembered; embeddings never leave here."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from events.errors import ConfigError
from video.engine import Embedding, unit
from video.sealing import Seal, SealBroken

LEAST_FRAMES = 2
"""So many frames must agree before an id is given or given again."""
MOST_EXEMPLARS = 3
SAME_LOOK = 0.75
"""An exemplar is added only for a look that is less similar than this to those that are kept."""
DIMENSIONS = 128


@dataclass(frozen=True, kw_only=True)
class VisitorFile:
    """Where visitors survive a restart: one sealed file, replaced as a whole."""

    path: Path
    seal: Seal

    def write(self, content: bytes) -> None:
        """Afterwards the file holds the sealed content, on disk, readable by its owner alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self.seal.seal(content))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)

    def read(self) -> bytes | None:
        """Returns the content, None where there is no file yet.

        Raises: ConfigError when it was sealed under another key or altered.
        """
        try:
            sealed = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return self.seal.unseal(sealed)
        except SealBroken as error:
            allowed = "a file sealed under this key: restore the key, or remove the file to forget all visitors"
            raise ConfigError(str(self.path), "visitor_file", str(error), allowed) from error


class VisitorIndex:
    """Exact search over the visitors of the last days; used by one thread."""

    def __init__(
        self,
        *,
        similarity: float = 0.50,
        ttl_ms: int = 604_800_000,
        capacity: int = 20_000,
        file: VisitorFile | None = None,
    ) -> None:
        """Remembers what the file holds.

        Args: similarity is the least cosine of one visitor; ttl_ms how long after the last sight one is remembered;
            capacity the most exemplars, beyond which the longest unseen are forgotten.
        Raises: ConfigError when the file cannot be opened with its key.
        """
        self._similarity, self._ttl_ms, self._capacity, self._file = similarity, ttl_ms, capacity, file
        self._ids: npt.NDArray[np.str_] = np.empty(0, dtype="U34")
        self._faces: npt.NDArray[np.float32] = np.empty((0, DIMENSIONS), np.float32)
        self._seen_ms: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._load()

    def __len__(self) -> int:
        return len(set(self._ids.tolist()))

    def recognise(self, frames: Sequence[Embedding], at_ms: int) -> str | None:
        """Returns the visitor that at least two frames agree on, a new one if they are nobody known, None in doubt.

        A new id is on disk before it is returned. Ids are random: nothing of a face can be had from one.

        Args: frames are embeddings of one face; at_ms their time, by which old visitors are forgotten.
        """
        self._forget(at_ms)
        if len(frames) < LEAST_FRAMES:
            return None
        faces = np.stack(frames)
        names = [self._nearest(face) for face in faces]
        known = [name for name in names if name is not None]
        if known:
            name = max(sorted(set(known)), key=known.count)
            if known.count(name) < LEAST_FRAMES or known.count(name) * 2 <= len(names):
                return None
            self._see_again(name, faces, at_ms)
            return name
        return self._welcome(faces, at_ms) if self._agree(faces) else None

    def save(self) -> None:
        """Afterwards the file, if there is one, holds every visitor."""
        if self._file is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, ids=self._ids, faces=self._faces, seen_ms=self._seen_ms)
        self._file.write(buffer.getvalue())

    def _load(self) -> None:
        content = None if self._file is None else self._file.read()
        if content is None:
            return
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            self._ids, self._faces, self._seen_ms = arrays["ids"], arrays["faces"], arrays["seen_ms"]

    def _nearest(self, face: Embedding) -> str | None:
        if not len(self._ids):
            return None
        scores = self._faces @ face
        best = int(np.argmax(scores))
        return str(self._ids[best]) if scores[best] >= self._similarity else None

    def _agree(self, faces: npt.NDArray[np.float32]) -> bool:
        """Whether at least two frames are similar to each other, and no frame stands alone."""
        scores = faces @ faces.T
        return bool((((scores >= self._similarity).sum(axis=1)) >= LEAST_FRAMES).all())

    def _welcome(self, faces: npt.NDArray[np.float32], at_ms: int) -> str:
        name = f"v-{secrets.token_hex(16)}"
        self._add(name, faces, at_ms)
        self.save()
        return name

    def _see_again(self, name: str, faces: npt.NDArray[np.float32], at_ms: int) -> None:
        mine = self._ids == name
        self._seen_ms[mine] = np.maximum(self._seen_ms[mine], at_ms)
        mean = _mean(faces)
        scores = self._faces[mine] @ mean
        # Only a look close to what is known already is added, so that exemplars cannot drift from one face to another.
        if (
            int(mine.sum()) < MOST_EXEMPLARS
            and self._similarity <= float(scores.min())
            and float(scores.max()) < SAME_LOOK
        ):
            self._add(name, faces, at_ms)
            self.save()

    def _add(self, name: str, faces: npt.NDArray[np.float32], at_ms: int) -> None:
        self._ids = np.append(self._ids, np.array([name], dtype="U34"))
        self._faces = np.vstack([self._faces, _mean(faces)[None, :]]).astype(np.float32)
        self._seen_ms = np.append(self._seen_ms, np.int64(at_ms))
        if len(self._ids) > self._capacity:
            order = np.sort(np.argsort(self._seen_ms, kind="stable")[-self._capacity :])
            self._keep(order)

    def _forget(self, at_ms: int) -> None:
        fresh = self._seen_ms >= at_ms - self._ttl_ms
        if not fresh.all():
            self._keep(fresh)
            self.save()

    def _keep(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> None:
        self._ids, self._faces, self._seen_ms = self._ids[rows], self._faces[rows], self._seen_ms[rows]


def _mean(faces: npt.NDArray[np.float32]) -> Embedding:
    return unit(faces.mean(axis=0))
