"""The clip around an alert's swipe: what the page says of it, and the film itself for those who may see faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from events.metrics import FACE_VIEWS
from storage.clips import KeptClip
from storage.face_views import FaceViews
from storage.queries import AlertSummary, CameraState, Still
from web.access import LoggedIn, Person, Refused, Services
from web.byte_range import ranged
from web.dashboard import InQueries
from web.observations import Observation

router = APIRouter()
SeesFaces = Annotated[LoggedIn, Depends(Person("see_faces"))]
ClipState = Literal[
    "kept", "removed", "missing", "coming", "late", "no_camera", "camera_unhealthy", "camera_back", "no_recording"
]
HEALTHY = ("ok", "starting", None)
COMING_MS = 45_000
"""So long after a swipe its clip may still be on its way: its last picture, the encoding, a worker that was busy."""
LATE_MS = 5 * 60_000
"""On a machine that is busy it may take so long; the page goes on looking."""
NEAR_MS = 15_000
ONE_VIEW_MS = 10 * 60_000
"""A player asks for many parts of one film: within this time one person's are one view."""


class AlertClip(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert's page says of the clip: the clips of its swipe, or why there is none.

    `camera_state` is what was wrong with the camera meanwhile, empty when nothing was. `swipe_at_ms` is till time.
    `back_ms` is when the camera began to work, where that was after the swipe; `removed_at_ms` when the last of the
    clips was deleted, where none is left.
    """

    state: ClipState
    clips: tuple[KeptClip, ...]
    camera_state: str
    swipe_at_ms: int
    back_ms: int | None = None
    removed_at_ms: int | None = None


def clip_of(
    alert: AlertSummary,
    swipe_at_ms: int,
    clips: Sequence[KeptClip],
    camera_ids: Sequence[str],
    cameras: Mapping[str, CameraState],
    observations: Iterable[Observation],
    now_ms: int,
) -> AlertClip:
    """Returns the clips of the alert's swipe, or the first true reason for none.

    Args:
        alert: the alert.
        swipe_at_ms: when its swipe was.
        clips: those of its swipe, with those that were deleted.
        camera_ids: the cameras of its till, or of its institution where it is about no one till.
        cameras: the latest state of each camera.
        observations: what cameras saw, of this swipe and of others.
        now_ms: the time of day.
    """
    if clips:
        return _recorded(swipe_at_ms, clips)
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


def _recorded(swipe_at_ms: int, clips: Sequence[KeptClip]) -> AlertClip:
    """Returns the clips that can be played; where none can, why."""
    kept = tuple(one for one in clips if one.state == "kept")
    state: ClipState = "kept" if kept else "missing" if any(one.state == "missing" for one in clips) else "removed"
    return AlertClip(
        state=state,
        clips=kept,
        camera_state=next((one.camera_state for one in kept if one.camera_state not in HEALTHY), ""),
        swipe_at_ms=swipe_at_ms,
        removed_at_ms=max((one.removed_at_ms for one in clips if one.removed_at_ms is not None), default=None),
    )


@router.get("/clips/{clip_id}")
def clip(
    clip_id: str,
    who: SeesFaces,
    services: Services,
    queries: InQueries,
    alert_id: str,
    range_asked: Annotated[str | None, Header(alias="Range")] = None,
) -> Response:
    """A clip of an alert's swipe, or a part of it. That this person saw it, and why, is on record before it is sent."""
    found = queries.alerts([alert_id])
    if not found or clip_id not in {one.clip_id for one in services.clips.for_settlement(found[0].settlement_id)}:
        raise Refused("no_such_clip", "the alert has no such clip", 404)
    webm = services.clips.read(clip_id)
    reason, now_ms = f"alert {alert_id}", services.now_ms()
    if not FaceViews(services.database).has_seen(clip_id, who.account.username, reason, now_ms - ONE_VIEW_MS):
        services.accounts.record_face_view(clip_id, who.account.username, reason, now_ms)
        services.measurements.count(FACE_VIEWS)
    return ranged(webm, "video/webm", range_asked)


def stills_in(clip: KeptClip, stills: Iterable[Still]) -> list[Still]:
    """Returns the pictures that were taken of what the clip shows."""
    return [
        one
        for one in stills
        if one.camera_id == clip.camera_id and clip.first_at_ms <= one.captured_at_ms <= clip.last_at_ms
    ]


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
