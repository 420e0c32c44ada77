"""An alert's dossier as the page shows it: measures beside thresholds, the swipes counted, the faces compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from events.codec import decode_event
from events.findings import SEVERITIES, Finding
from events.types import FaceObserved, Swipe
from storage.queries.alerts import AlertDossier, HistoryEntry
from storage.queries.bodies import Fact
from storage.queries.cameras import CameraState
from storage.queries.evidence import LoggedEvent, Still
from storage.queries.summaries import AlertSummary
from web.observations import Observation, ObservedFace, observation_of
from web.ports import Calibrations, FalseMatch, Language
from web.wording import lasting, yuan

PictureState = Literal["kept", "removed", "missing", "no_camera", "camera_unhealthy", "no_picture"]
PictureGone = Literal["removed", "missing"]
"""A picture that was kept and was deleted, or whose file is not where it should be."""
HEALTHY = "ok"
# events.identity writes it between the parts of an identity.
IDENTITY_SEPARATOR = ":"
# A reversal's identity also has the length of its settlement's id.
_LENGTH = re.compile(r"^[0-9]+:")
# How many decimals a measure has whose name ends so; others have up to three.
_DECIMALS = {"_km": 1, "_kmh": 1, "quality": 2}
_KINDS = {"answer": "answer", "close": "close"}
_CHANGE = re.compile(r"^(?P<detector>[a-z0-9_]+) (?P<became>raised|changed|withdrawn)(: (?P<cause>.*))?\Z")


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One value that the rule looked at: what was measured, and from where on it fires."""

    name: str
    measured: str
    threshold: str


class SwipeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One swipe among the evidence; `is_anchor` is the one that the alert is about."""

    swipe: Swipe
    received_at_ms: int
    is_anchor: bool


class FaceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One face that was compared with a card holder's, with both engines' opinions and what they are worth."""

    observation: Observation
    face: ObservedFace
    is_evidence: bool
    worth: FalseMatch | None
    second_worth: FalseMatch | None


class AlertPicture(msgspec.Struct, frozen=True, kw_only=True):
    """The picture beside an alert, or why there is none; `camera` is the state that the reason speaks of."""

    state: PictureState
    still_id: str | None
    camera: CameraState | None


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """An alert's swipes and faces among the accepted events."""

    swipes: tuple[SwipeLine, ...]
    faces: tuple[FaceLine, ...]
    observations: tuple[Observation, ...]


def picture_of(
    alert: AlertSummary,
    camera_ids: Sequence[str],
    cameras: Mapping[str, CameraState],
    gone: PictureGone | None = None,
) -> AlertPicture:
    """Returns the alert's picture, or the first true reason for none: no camera, a camera that is ill, none kept.

    Args:
        alert: the alert.
        camera_ids: the cameras of its till, or of its institution where it is about no one till.
        cameras: the latest state of each camera.
        gone: what became of the picture that was kept, where none can be shown.
    """
    if gone is not None:
        return AlertPicture(state=gone, still_id=None, camera=None)
    if alert.still_id is not None:
        return AlertPicture(state="kept", still_id=alert.still_id, camera=None)
    if not camera_ids:
        return AlertPicture(state="no_camera", still_id=None, camera=None)
    known = [cameras[camera_id] for camera_id in camera_ids if camera_id in cameras]
    ill = [camera for camera in known if camera.state != HEALTHY]
    if ill:
        return AlertPicture(state="camera_unhealthy", still_id=None, camera=ill[0])
    return AlertPicture(state="no_picture", still_id=None, camera=None)


def sight_of(dossier: AlertDossier, calibrations: Calibrations) -> Sight:
    """Returns what the dossier's events say of swipes and faces; an event that cannot be read again is left out."""
    cited = {each for one in dossier.findings for each in one.finding.evidence}
    observations = tuple(_observations(dossier.events))
    return Sight(
        swipes=tuple(_swipe_lines(dossier.events, dossier.alert.settlement_id)),
        faces=tuple(
            _face_line(one, face, calibrations, is_evidence=one.event_id in cited)
            for one in observations
            for face in one.faces
            if face.verdict is not None or face.similarity is not None
        ),
        observations=observations,
    )


def _face_line(
    observation: Observation, face: ObservedFace, calibrations: Calibrations, *, is_evidence: bool
) -> FaceLine:
    """The second engine's similarity is told by the general calibration alone: cameras count the first one's pairs."""

    def worth(
        camera_id: str | None, engine: str | None, version: str | None, similarity: float | None
    ) -> FalseMatch | None:
        if similarity is None or engine is None or version is None:
            return None
        return calibrations.false_match(camera_id, engine, version, similarity)

    return FaceLine(
        observation=observation,
        face=face,
        is_evidence=is_evidence,
        worth=worth(observation.camera_id, observation.engine, observation.engine_version, face.similarity),
        second_worth=worth(None, observation.second_engine, face.second_engine_version, face.second_similarity),
    )


def values_of(finding: Finding, language: Language) -> list[Value]:
    """Returns every value behind a finding, what was measured beside its threshold where both have the name."""
    names = [*finding.measure, *(name for name in finding.threshold if name not in finding.measure)]
    return [
        Value(
            name=name,
            measured=_as_text(name, finding.measure[name], language) if name in finding.measure else "",
            threshold=_as_text(name, finding.threshold[name], language) if name in finding.threshold else "",
        )
        for name in names
    ]


def subject_of(finding: Finding) -> list[tuple[str, str]]:
    """Returns whom or what the finding is about, as names and values."""
    return [(name, value if isinstance(value, str) else ", ".join(value)) for name, value in finding.key.items()]


def main_fact(alert: AlertSummary) -> Fact | None:
    """Returns the alert's fact of the greatest severity, or None once nothing of it stands."""
    return next(iter(facts_of(alert)), None)


def facts_of(alert: AlertSummary) -> list[Fact]:
    """Returns the alert's facts, the gravest first, then the latest."""
    return sorted(alert.body.facts, key=lambda fact: (-_rank(fact.severity), -fact.time_ms))


def _rank(severity: str) -> int:
    return next((rank for rank, one in enumerate(SEVERITIES, 1) if one == severity), 0)


def note_of(entry: HistoryEntry, name: Callable[[str, str], str]) -> str:
    """Returns a history entry's note with its words named in the reader's language; people's own words stay."""
    if entry.action in _KINDS:
        kind, _, own_words = entry.note.partition(": ")
        named = name(_KINDS[entry.action], kind)
        return f"{named}: {own_words}" if own_words else named
    if entry.action in {"snooze", "snooze_ended"}:
        return _named_snooze(entry.note, name)
    if entry.action == "hand_over":
        return entry.note
    return "; ".join(_named_change(part, name) for part in entry.note.split("; "))


def _named_snooze(note: str, name: Callable[[str, str], str]) -> str:
    """Returns the rule, whom or what it is silent about, and why; a person's id is shortened, whoever reads."""
    about, stop, reason = note.partition(": ")
    detector, entity, *_ = about.split(" ")
    field, _, value = entity.partition("=")
    shown = f"••••{value[-4:]}" if field.startswith("person") else value
    named = name("key", "person_id" if field == "persons" else field)
    return f"{name('rule', detector)} · {named} {shown}{stop}{reason}"


def _named_change(part: str, name: Callable[[str, str], str]) -> str:
    found = _CHANGE.match(part)
    if found is None:
        return part
    cause = f" ({cause_of(found['cause'], name)})" if found["cause"] else ""
    return f"{name('rule', found['detector'])} {name('became', found['became'])}{cause}"


def cause_of(cause: str, name: Callable[[str, str], str]) -> str:
    """Returns why a finding changed: the kind of event, named, and its id; or that time has passed."""
    kind, _, own_id = cause.partition(IDENTITY_SEPARATOR)
    if kind == "reversal":
        own_id = _LENGTH.sub("", own_id)
    return f"{name('cause', kind)} {own_id}".rstrip()


def observation_by_still(stills: Iterable[Still], sight: Sight) -> dict[str, Observation]:
    """Returns what each picture's observation says, by the picture's id."""
    known = {one.event_id: one for one in sight.observations}
    return {still.still_id: known[still.observation_id] for still in stills if still.observation_id in known}


def _swipe_lines(events: Iterable[LoggedEvent], anchor: str) -> Iterable[SwipeLine]:
    for logged in events:
        event = decode_event(logged.original) if logged.type == "swipe" else None
        if isinstance(event, Swipe):
            is_anchor = event.settlement_id == anchor
            yield SwipeLine(swipe=event, received_at_ms=logged.received_at_ms, is_anchor=is_anchor)


def _observations(events: Iterable[LoggedEvent]) -> Iterable[Observation]:
    for logged in events:
        if logged.type != "face_observed":
            continue
        event = decode_event(logged.original)
        observation = observation_of(logged.original)
        if isinstance(event, FaceObserved) and observation is not None:
            yield observation


def _as_text(name: str, value: object, language: Language) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "–"
    if name.endswith("_ms") and isinstance(value, int):
        return lasting(value / 1000, language)
    if name.endswith("_fen") and isinstance(value, int):
        return yuan(value)
    if isinstance(value, float):
        decimals = next((few for ending, few in _DECIMALS.items() if name.endswith(ending)), 3)
        return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    return str(value)
