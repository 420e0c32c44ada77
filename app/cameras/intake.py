"""Takes what cameras say into the stores; who said it, and from which machine, makes no difference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from app.calibrations import Calibrations
from app.vault import Vault
from events.codec import decode_event
from events.dead_letters import InvalidEvent
from events.errors import TransientError
from storage.cameras.clocks import CameraClock
from storage.cameras.states import STATE_PICTURE, BlindSwipe, CameraStates
from storage.errors import AlteredData
from storage.evidence.originals import Original, OriginalStore
from storage.evidence.stills import EvidenceStore, Still
from video.messages import (
    CameraStateChanged,
    ClockOffsetEstimated,
    FromCameras,
    Observed,
    OriginalCut,
    PairsCounted,
)

SENDER: Final = "video"
SUBMIT_AGAIN_S: Final = 0.2

_log = structlog.get_logger()


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What of an observation says whether a camera saw anything of a swipe."""

    stage: str
    healthy: bool
    camera_state: str
    institution_id: str
    occurred_at_ms: int


class CameraIntake:
    """Keeps pictures, originals and states, and hands observations in. Callable from several threads at once."""

    def __init__(
        self,
        *,
        evidence: EvidenceStore,
        originals: OriginalStore,
        states: CameraStates,
        calibrations: Calibrations,
        submit: Callable[[str, Sequence[bytes]], object],
    ) -> None:
        """Args: submit takes the sender's name and events as JSON, and raises TransientError when it cannot now."""
        self._evidence, self._originals = evidence, originals
        self._states, self._calibrations, self._submit = states, calibrations, submit
        self._ends = threading.Event()

    def keep_all(self, messages: Sequence[FromCameras]) -> None:
        """Afterwards the messages are kept, and observations handed in together; the same again changes nothing.

        Raises: TransientError: not all of it is kept, and the same again may help; AlteredData: one never will be.
        """
        for message in messages:
            self._keep(message)
        originals = [message.original for message in messages if isinstance(message, Observed)]
        if originals:
            self._submit(SENDER, originals)

    def _keep(self, message: FromCameras) -> None:
        """Keeps all but observations themselves, which come after their pictures: an alert finds them there."""
        match message:
            case Observed():
                self._keep_still(message)
                self._count_blind(message)
            case OriginalCut():
                self._originals.keep(Original(**{name: getattr(message, name) for name in Original.__struct_fields__}))
            case CameraStateChanged():
                _log.info("camera.state_changed", camera_id=message.camera_id, state=message.state)
                still_id = self._keep_picture_of(message)
                self._states.put(message.camera_id, message.state, message.detail, message.at_ms, still_id)
            case ClockOffsetEstimated():
                clock = CameraClock(**{name: getattr(message, name) for name in CameraClock.__struct_fields__})
                self._states.put_clock(message.camera_id, clock)
            case PairsCounted():
                self._calibrations.count(message)

    def take(self, message: FromCameras) -> None:
        """Afterwards the message is kept, or it was said why not; an observation is handed in, however long it takes.

        After `stop` one attempt is all.

        Raises: whatever a store raises beyond TransientError: that is no camera's trouble.
        """
        if isinstance(message, Observed):
            self._take_observation(message)
            return
        try:
            self._keep(message)
        except (TransientError, AlteredData) as error:
            kind = type(message).__name__
            _log.error("camera_message.not_kept", message=kind, camera_id=message.camera_id, error=str(error))

    def stop(self) -> None:
        """An observation that cannot be handed in is tried once and then lost, which is said."""
        self._ends.set()

    def _take_observation(self, message: Observed) -> None:
        """Hands the observation in even where its picture finds no room."""
        try:
            self._keep_still(message)
            self._count_blind(message)
        except TransientError as error:
            _log.error("still.not_kept", camera_id=message.camera_id, error=str(error))
        while not self._is_handed_in(message):
            if self._ends.wait(SUBMIT_AGAIN_S):
                _log.error("observation.lost", camera_id=message.camera_id)
                return

    def _is_handed_in(self, message: Observed) -> bool:
        try:
            self._submit(SENDER, [message.original])
        except TransientError as error:
            _log.warning("observation.waits", camera_id=message.camera_id, error=str(error))
            return False
        return True

    def _keep_still(self, message: Observed) -> None:
        event = decode_event(message.original)
        if message.still is None or isinstance(event, InvalidEvent):
            return
        self._evidence.keep(
            Still(
                observation_id=event.event_id,
                settlement_id=message.settlement_id,
                camera_id=message.camera_id,
                captured_at_ms=message.captured_at_ms,
                jpeg=message.still,
            )
        )

    def _keep_picture_of(self, message: CameraStateChanged) -> str | None:
        """Returns the id of the picture that shows the state, None where there is none."""
        if message.picture is None:
            return None
        return self._evidence.keep(
            Still(
                observation_id=f"{STATE_PICTURE}{message.camera_id}-{message.at_ms}",
                settlement_id=None,
                camera_id=message.camera_id,
                captured_at_ms=message.at_ms,
                jpeg=message.picture,
            )
        )

    def _count_blind(self, message: Observed) -> None:
        """A swipe of which the last word is that nothing could be seen is counted for its store."""
        if message.settlement_id is None:
            return
        try:
            told = msgspec.json.decode(message.original, type=_Told)
        except msgspec.DecodeError:
            return  # `submit` sets it aside, and says why
        if told.stage == "final" and not told.healthy:
            self._states.keep_blind(
                BlindSwipe(
                    settlement_id=message.settlement_id,
                    camera_id=message.camera_id,
                    institution_id=told.institution_id,
                    state=told.camera_state,
                    at_ms=told.occurred_at_ms,
                )
            )


def camera_intake(vault: Vault, submit: Callable[[str, Sequence[bytes]], object]) -> CameraIntake:
    """Returns the way of what cameras say into a product's stores; `submit` is as `CameraIntake` takes it."""
    return CameraIntake(
        evidence=vault.evidence,
        originals=vault.originals,
        states=CameraStates(vault.database),
        calibrations=Calibrations(vault.database),
        submit=submit,
    )
