from __future__ import annotations

import msgspec
import pytest

from detectors.examples import observed, reversal, swipe
from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.identity import identity_of
from streams.changes import TICK
from web.dossier import cause_of


def named(kind: str, key: str) -> str:
    return f"<{kind}.{key}>"


def cause_by(event: dict[str, object]) -> str:
    decoded = decode_event(msgspec.json.encode(event))
    assert not isinstance(decoded, InvalidEvent)
    return cause_of(identity_of(decoded), named)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (swipe("S:1", "0s"), "<cause.swipe> S:1"),
        (observed("o-1", "0s"), "<cause.face_observed> o-1"),
        (reversal("S:1", "0s"), "<cause.reversal> S:1:reversal-S:1"),
    ],
)
def test_the_cause_of_a_change_is_said_in_words(event, said):
    assert cause_by(event) == said


def test_the_passing_of_time_is_a_cause_of_its_own():
    assert cause_of(TICK, named) == f"<cause.{TICK}>"
