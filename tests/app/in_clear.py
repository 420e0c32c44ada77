"""Searches files and what was printed for what must not be read there: faces, pictures and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from storage.faces.references import Embedding

PICTURES = {
    "a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "a PNG": b"\x89PNG\r\n\x1a\n",
    "a Matroska film": b"\x42\x82\x88matroska",
    "a WebM film": b"\x42\x82\x84webm",
}
"""Long enough that encrypted bytes do not happen to hold them."""
WINDOW_BYTES = 16
"""So many bytes of an embedding, four of its numbers, are no coincidence."""


def in_clear(folder: Path, printed: str, embeddings: Iterable[Embedding], names: Sequence[str]) -> list[str]:
    """Returns what lies open, and where: in any file of the folder, or in what was printed."""
    secrets = {**PICTURES, **dict(_faces(embeddings)), **{f"the name {name}": name.lower().encode() for name in names}}
    places = {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    places["what was printed"] = printed.encode()
    lower = {where: content.lower() for where, content in places.items()}
    return [
        f"{what} in {where}"
        for where, content in places.items()
        for what, secret in secrets.items()
        if secret in content or (what.startswith("the name") and secret in lower[where])
    ]


def _faces(embeddings: Iterable[Embedding]) -> Iterator[tuple[str, bytes]]:
    """Yields what a part of an embedding looks like as bytes, and a number of it as text."""
    for number, embedding in enumerate(embeddings):
        for kind, plain in (("float32", embedding.tobytes()), ("float64", embedding.astype("<f8").tobytes())):
            for start in range(0, len(plain), WINDOW_BYTES):
                yield f"face {number} as {kind} from byte {start}", plain[start : start + WINDOW_BYTES]
        yield f"face {number} as text", str(float(embedding[0])).encode()
        yield f"face {number} as short text", str(embedding[0]).encode()
