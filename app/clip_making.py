"""Has clips made that are owed, one after the other, by a process of its own that an original may break."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import structlog

from app.clip_child import ChildDied, ClipChild
from app.vault import Vault
from events.errors import TransientError
from storage.errors import AlteredData, EvidenceMissing, UnknownOriginal, WrongKey
from storage.evidence.clips import Clip
from storage.evidence.originals import KeptOriginal
from storage.evidence.owed_clips import ClipFailure, OwedClips
from video.clip import ClipMade
from video.clip_process import CannotMake, ClipAnswer, NothingDecoded, run
from video.messages import OriginalCut

LOOK_EVERY_S: Final = 0.5
ALERTS_EVERY_MS: Final = 2_000
RECENT_MS: Final = 3_600_000
"""Alerts that opened so long ago at most are looked through each time; all of them at the start, and seldom."""
ALL_ALERTS_EVERY_MS: Final = 600_000
RENEW_EVERY_S: Final = 5.0
MADE_WITHIN_S: Final = 120.0
"""A process that takes longer hangs: on a busy machine a clip takes some ten seconds."""
IDLE_S: Final = 300.0
"""So long a process without work is kept: starting one takes a second, its memory is a camera's."""
PAUSE_S: Final = 10.0
"""After trouble that is no original's, so long nothing is tried."""

_log = structlog.get_logger()


class ClipMaker:
    """A thread that looks for owed clips, those of alerts among them. Several, in any process, do no harm."""

    def __init__(
        self,
        vault: Vault,
        *,
        clock_ms: Callable[[], int],
        models_directory: str | None = None,
        target: Callable[[Connection, str | None], None] = run,
    ) -> None:
        """Nothing runs yet. Args: target is what the process runs that makes them."""
        self._originals, self._clips, self._owed = vault.originals, vault.clips, OwedClips(vault.database)
        self._child = ClipChild(models_directory, target=target)
        self._clock_ms = clock_ms
        self._alerts_at_ms = self._all_alerts_at_ms = 0
        self._worked_at_s = time.monotonic()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)

    def start(self) -> None:
        """Clips are made from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread and the process have ended; a clip that was in hand is owed as before."""
        self._ends.set()
        self._child.kill()
        if self._thread.is_alive():
            self._thread.join()
        self._child.end()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._ends.wait(wait_s):
            try:
                wait_s = 0.0 if self._look() else LOOK_EVERY_S
            except TransientError as error:
                _log.warning("clips.not_made", reason=str(error))
                wait_s = PAUSE_S
            except Exception:  # noqa: BLE001 - the thread's boundary: without it all clips were silently gone
                _log.exception("clips.failed")
                wait_s = PAUSE_S

    def _look(self) -> bool:
        """Returns whether there was a clip to make. Raises: TransientError."""
        now_ms = self._clock_ms()
        self._owe_to_alerts(now_ms)
        original_id = self._owed.claim(now_ms)
        if original_id is not None:
            self._make(original_id)
            self._worked_at_s = time.monotonic()
        elif time.monotonic() - self._worked_at_s > IDLE_S:
            self._child.end()
        return original_id is not None

    def _owe_to_alerts(self, now_ms: int) -> None:
        if now_ms - self._alerts_at_ms < ALERTS_EVERY_MS:
            return
        is_time_for_all = now_ms - self._all_alerts_at_ms >= ALL_ALERTS_EVERY_MS
        self._owed.ask_for_alerts(0 if is_time_for_all else now_ms - RECENT_MS, now_ms)
        self._alerts_at_ms = now_ms
        if is_time_for_all:
            self._all_alerts_at_ms = now_ms

    def _make(self, original_id: str) -> None:
        try:
            known = self._originals.of(original_id)
            original = _cut_of(known, self._originals.read(original_id))
        except UnknownOriginal:
            return
        except EvidenceMissing:
            self._fail(original_id, "missing")
            return
        except (AlteredData, WrongKey, msgspec.ValidationError):
            self._fail(original_id, "unreadable")
            return
        try:
            answer = self._answer_to(original_id, original)
        except ChildDied as error:
            self._count_crash(known, error)
            return
        except Exception:
            self._child.end()  # what it still says to this original would be taken for what it says to the next
            raise
        self._take(known, answer)

    def _answer_to(self, original_id: str, original: OriginalCut) -> ClipAnswer | None:
        """Returns what came of it; None when this thread is to end. Raises: ChildDied."""
        self._child.ask(original)
        ends_s = time.monotonic() + MADE_WITHIN_S
        renewed_s = time.monotonic()
        while not self._ends.is_set():
            answer = self._child.answer(LOOK_EVERY_S)
            if answer is not None:
                return answer
            if time.monotonic() > ends_s:
                self._child.end()
                raise ChildDied(f"no clip within {MADE_WITHIN_S:g} s")
            if time.monotonic() - renewed_s > RENEW_EVERY_S:
                self._owed.renew(original_id, self._clock_ms())
                renewed_s = time.monotonic()
        return None

    def _take(self, known: KeptOriginal, answer: ClipAnswer | None) -> None:
        match answer:
            case ClipMade():
                self._keep(known, answer)
            case NothingDecoded():
                self._fail(known.original_id, "undecodable")
            case CannotMake():
                self._child.end()
                self._owed.release(known.original_id)
                raise NoClips(answer.reason)
            case None:
                self._owed.release(known.original_id)

    def _keep(self, known: KeptOriginal, made: ClipMade) -> None:
        clip_id = self._clips.keep(Clip(**{name: getattr(made, name) for name in Clip.__struct_fields__}))
        self._owed.made(known.original_id)
        if not self._is_still_kept(known.original_id):  # its holder was erased meanwhile: nothing may come back
            self._clips.kept.discard(clip_id)
            return
        waited_ms = self._clock_ms() - (known.clip_owed_since_ms or 0)
        _log.info(
            "clip.made", camera_id=known.camera_id, pictures=made.pictures, cpu_ms=made.cpu_ms, waited_ms=waited_ms
        )

    def _is_still_kept(self, original_id: str) -> bool:
        try:
            return self._originals.of(original_id).state == "kept"
        except UnknownOriginal:
            return False

    def _count_crash(self, known: KeptOriginal, error: ChildDied) -> None:
        if self._ends.is_set():
            self._owed.release(known.original_id)
            return
        gave_up = self._owed.crashed(known.original_id)
        _log.error("clip_process.died", camera_id=known.camera_id, reason=str(error), tried_again=not gave_up)

    def _fail(self, original_id: str, failure: ClipFailure) -> None:
        self._owed.failed(original_id, failure)
        _log.error("clip.failed", original_id=original_id, reason=failure)


class NoClips(TransientError):
    """No clip can be made for now, whatever the original."""


def _cut_of(known: KeptOriginal, video: bytes) -> OriginalCut:
    """Returns the original as it was cut. Raises: msgspec.ValidationError where it says nothing of a clip."""
    said = {name: getattr(known, name) for name in OriginalCut.__struct_fields__ if name != "video"}
    return msgspec.convert({**said, "customer": known.customer or (), "video": video}, OriginalCut)
