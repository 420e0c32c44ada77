"""Made-up faces and the grounds on which they are kept."""

from __future__ import annotations

from storage.faces.references import Embedding, Face, Grounds

GROUNDS = Grounds(basis="consent", day="2026-03-01", proof="written consent, file 17", by="li")


def face_of(embedding: Embedding, *, engine: str = "sface", version: str = "1", quality: float = 0.9) -> Face:
    return Face(engine=engine, engine_version=version, embedding=embedding, quality=quality)
