"""What a camera is told of a swipe: where and when it was, and what its holder looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from events.errors import TransientError
from events.types import Swipe
from storage.errors import AlteredData, WrongKey
from storage.faces.references import Embedding
from video.messages import SwipeSeen

_log = structlog.get_logger()


class References(Protocol):
    """The faces of card holders; `storage.faces.references.ReferenceFaces`."""

    def of(self, person_id: str, /) -> Mapping[str, Sequence[Embedding]]:
        """Returns a person's references by engine."""
        ...


def swipe_seen(swipe: Swipe, references: References) -> SwipeSeen:
    """Returns what the cameras of a swipe's till look for."""
    return SwipeSeen(
        settlement_id=swipe.settlement_id,
        institution_id=swipe.institution_id,
        till_id=swipe.till_id,
        occurred_at_ms=swipe.occurred_at_ms,
        references=_references_of(swipe.person_id, references),
    )


def _references_of(person_id: str, references: References) -> dict[str, list[list[float]]]:
    """Returns the holder's references; none that cannot be read or opened, which is said and never compared."""
    try:
        found = references.of(person_id)
    except (AlteredData, WrongKey, TransientError) as error:
        _log.error("reference.unusable", error=str(error))
        return {}
    return {engine: [embedding.tolist() for embedding in embeddings] for engine, embeddings in found.items()}
