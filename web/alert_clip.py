"""What an alert's page says of the clip around its swipe: that it plays, that it comes, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from storage.evidence.clips import KeptClip
from storage.evidence.originals import KeptOriginal
from storage.queries.cameras import CameraState
from storage.queries.evidence import Still
from storage.queries.summaries import AlertSummary
from web.observations import Observation

Awaited = Literal["making", "slow"]
ClipState = (
    Literal[
        "kept",
        "removed",
        "missing",
        "coming",
        "late",
        "not_made",
        "no_camera",
        "camera_unhealthy",
        "camera_back",
        "no_recording",
    ]
    | Awaited
)
HEALTHY = ("ok", "starting", None)
COMING_MS = 45_000
"""So long after a swipe its original may still be on its way: its last picture, a worker that was busy."""
LATE_MS = 5 * 60_000
"""On a machine that is busy it may take so long; the page goes on looking."""
SLOW_MS = 30_000
"""A clip that is owed for longer waits for others, or nobody makes any."""
NEAR_MS = 15_000


class AlertClip(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert's page says of the clip: the clips of its swipe, or why there is none.

    `awaited` says that one is being made, of another camera where some are there. `failure` is why it was not made:
    `storage.evidence.owed_clips.ClipFailure`, or `older`, empty where it was. `camera_state` is what was wrong with
    the camera meanwhile, empty when nothing was. `swipe_at_ms` is till time. `back_ms` is when the camera began to
    work, where that was after the swipe; `removed_at_ms` when the last of the clips was deleted, where none is left.
    """

    state: ClipState
    clips: tuple[KeptClip, ...]
    swipe_at_ms: int
    awaited: Awaited | None = None
    failure: str = ""
    camera_state: str = ""
    back_ms: int | None = None
    removed_at_ms: int | None = None


def clip_of(
    alert: AlertSummary,
    swipe_at_ms: int,
    clips: Sequence[KeptClip],
    originals: Sequence[KeptOriginal],
    camera_ids: Sequence[str],
    cameras: Mapping[str, CameraState],
    observations: Iterable[Observation],
    now_ms: int,
    *,
    are_asked: bool,
) -> AlertClip:
    """Returns the clips of the alert's swipe, or the first true reason for none.

    Args:
        alert: the alert.
        swipe_at_ms: when its swipe was.
        clips: those of its swipe, with those that were deleted.
        originals: those of its swipe, with those that were deleted.
        camera_ids: the cameras of its till, or of its institution where it is about no one till.
        cameras: the latest state of each camera.
        observations: what cameras saw, of this swipe and of others.
        now_ms: the time of day.
        are_asked: whether the clips that somebody waits for could be asked for; if not, they take longer.
    """
    if clips or originals:
        awaited = _awaited(makeable(clips, originals), now_ms, are_asked=are_asked)
        return _recorded(swipe_at_ms, clips, originals, awaited)
    ill = _ill_state(alert, swipe_at_ms, camera_ids, cameras, observations)
    back_ms = _back_ms(swipe_at_ms, camera_ids, cameras)
    state: ClipState = "no_recording" if back_ms is None else "camera_back"
    if not camera_ids:
        state = "no_camera"
    elif now_ms < swipe_at_ms + COMING_MS:
        state = "coming"
    elif ill:
        state = "camera_unhealthy"
    elif back_ms is None and now_ms < swipe_at_ms + LATE_MS:
        state = "late"
    return AlertClip(
        state=state,
        clips=(),
        camera_state=ill if state == "camera_unhealthy" else "",
        swipe_at_ms=swipe_at_ms,
        back_ms=back_ms,
    )


def makeable(clips: Iterable[KeptClip], originals: Iterable[KeptOriginal]) -> list[KeptOriginal]:
    """Returns the originals of a swipe whose clip is not there, and never was, and can be made."""
    return [one for one in _without_clip(clips, originals) if one.may_become_clip]


def to_try(clips: Iterable[KeptClip], originals: Iterable[KeptOriginal]) -> list[KeptOriginal]:
    """Returns those that are tried when somebody looks: that can be made, or whose file was gone or did not open."""
    return [one for one in _without_clip(clips, originals) if one.may_be_tried]


def stills_in(clip: KeptClip, stills: Iterable[Still]) -> list[Still]:
    """Returns the pictures that were taken of what the clip shows."""
    return [
        one
        for one in stills
        if one.camera_id == clip.camera_id and clip.first_at_ms <= one.captured_at_ms <= clip.last_at_ms
    ]


def _without_clip(clips: Iterable[KeptClip], originals: Iterable[KeptOriginal]) -> list[KeptOriginal]:
    made = {one.camera_id for one in clips}
    return [one for one in originals if one.camera_id not in made]


def _recorded(
    swipe_at_ms: int, clips: Sequence[KeptClip], originals: Sequence[KeptOriginal], awaited: Awaited | None
) -> AlertClip:
    """Returns the clips that can be played; where none can, what comes, or why none does."""
    kept = tuple(one for one in clips if one.state == "kept")
    failure = "" if clips else next((_failure_of(one) for one in originals if one.state == "kept"), "")
    files = clips or originals
    state: ClipState = "removed"
    if kept:
        state = "kept"
    elif awaited:
        state = awaited
    elif any(one.state == "missing" for one in files):
        state = "missing"
    elif failure:
        state = "not_made"
    return AlertClip(
        state=state,
        clips=kept,
        swipe_at_ms=swipe_at_ms,
        awaited=awaited,
        failure=failure,
        camera_state=next((one.camera_state for one in kept if one.camera_state not in HEALTHY), ""),
        removed_at_ms=max((one.removed_at_ms for one in files if one.removed_at_ms is not None), default=None),
    )


def _awaited(originals: Sequence[KeptOriginal], now_ms: int, *, are_asked: bool) -> Awaited | None:
    if not originals:
        return None
    owed_since_ms = min((one.clip_owed_since_ms or now_ms for one in originals), default=now_ms)
    return "slow" if now_ms - owed_since_ms > SLOW_MS or not are_asked else "making"


def _failure_of(original: KeptOriginal) -> str:
    return original.clip_failure or ("older" if original.clip_first_at_ms is None else "")


def _ill_state(
    alert: AlertSummary,
    swipe_at_ms: int,
    camera_ids: Sequence[str],
    cameras: Mapping[str, CameraState],
    observations: Iterable[Observation],
) -> str:
    """Returns what was wrong with a camera of the till at the swipe, as it saw it itself, or as it has been since."""
    for one in observations:
        near = abs(one.occurred_at_ms - swipe_at_ms) <= NEAR_MS
        same_place = one.institution_id == alert.institution_id and one.camera_id in camera_ids
        if near and same_place and not one.healthy and one.camera_state not in HEALTHY:
            return one.camera_state or ""
    known = [cameras[camera_id] for camera_id in camera_ids if camera_id in cameras]
    return next((one.state for one in known if one.state not in HEALTHY and one.since_ms <= swipe_at_ms + NEAR_MS), "")


def _back_ms(swipe_at_ms: int, camera_ids: Sequence[str], cameras: Mapping[str, CameraState]) -> int | None:
    """Returns when the till's cameras began to work, if all did so only after the swipe."""
    known = [cameras[camera_id] for camera_id in camera_ids if camera_id in cameras]
    if not known or not all(one.state in HEALTHY and one.since_ms > swipe_at_ms for one in known):
        return None
    return min(one.since_ms for one in known)
