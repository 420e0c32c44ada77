"""Enrols reference faces from photographs, for every engine that is configured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.configuration import Configuration
from events.errors import ConfigError
from storage.references import ReferenceFaces
from video.enrolment import PhotoRefused, embed_photo
from video.worker import open_engine


def enrol_photograph(
    references: ReferenceFaces,
    configuration: Configuration,
    person_id: str,
    photograph: Path,
    consent: str,
    at_ms: int,
) -> Iterator[str]:
    """Yields a line per engine, after the reference has been kept.

    Raises: ConfigError when the photograph cannot be read or does not show one good face; it says what to change.
    """
    try:
        picture = photograph.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(photograph), "photograph", str(photograph), f"cannot be read: {error.strerror}"
        ) from error
    video = configuration.effective.settings.video
    for name in dict.fromkeys(engine for engine in (video.engine, video.second_engine) if engine is not None):
        engine = open_engine(name)
        found = embed_photo(engine, picture, finder=open_engine(video.engine))
        if isinstance(found, PhotoRefused):
            raise ConfigError(str(photograph), "photograph", name, found.advice)
        references.enrol(person_id, engine.name, engine.version, found.embedding, found.quality, consent, at_ms)
        yield f"enrolled {person_id} for {engine.name} {engine.version} (quality {found.quality:.2f})"
