"""What the wall shows beside the alerts: the day's numbers, and each institution with its cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import msgspec

from events.findings import SEVERITIES
from storage.queries import CameraState, DayNumbers, Queries
from storage.rule_halts import Halt, RuleHalts
from web.ports import InstitutionEntry, WebServices
from web.wording import day_start_ms

FRESH_S = 1.0
MAX_TILES = 240


class CameraMark(msgspec.Struct, frozen=True, kw_only=True):
    """One camera's mark on the wall; the state is `unknown` before the camera was first heard of."""

    camera_id: str
    till_id: str
    state: str
    detail: str
    since_ms: int | None


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One institution on the wall; `worst` is the highest severity that waits for an answer, empty when none does."""

    institution_id: str
    waiting: int
    worst: str
    cameras: tuple[CameraMark, ...]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers and the wall at one moment; `hidden` institutions did not fit and wait for nothing worse.

    `halted` are the rules that make no alerts until somebody resumes them.
    """

    numbers: DayNumbers
    tiles: tuple[Tile, ...]
    hidden: int
    halted: tuple[Halt, ...]


class Wall:
    """Reads the overview at most once a second, however many look at it; safe to call from any thread."""

    def __init__(self, services: WebServices, queries: Queries) -> None:
        self._services, self._queries = services, queries
        self._halts = RuleHalts(services.database)
        self._lock = threading.Lock()
        self._read_at_s = float("-inf")
        self._overview: Overview | None = None

    def overview(self) -> Overview:
        """Returns the overview of less than a second ago."""
        with self._lock:
            if self._overview is None or time.monotonic() - self._read_at_s > FRESH_S:
                self._overview = self._read()
                self._read_at_s = time.monotonic()
            return self._overview

    def forget(self) -> None:
        """The next overview is read anew: somebody has changed it who will look at it at once."""
        with self._lock:
            self._overview = None

    def _read(self) -> Overview:
        since_ms = day_start_ms(self._services.now_ms(), self._services.time_zone)
        waiting = self._queries.waiting_by_institution()
        states = self._queries.camera_states()
        tiles = [tile_of(one, waiting.get(one.institution_id, {}), states) for one in self._services.institutions]
        if len(tiles) > MAX_TILES:
            tiles.sort(key=lambda tile: (-_rank(tile.worst), -tile.waiting, tile.institution_id))
        return Overview(
            numbers=self._queries.numbers(since_ms),
            tiles=tuple(tiles[:MAX_TILES]),
            hidden=max(0, len(tiles) - MAX_TILES),
            halted=tuple(self._halts.standing()),
        )


def tile_of(entry: InstitutionEntry, waiting: Mapping[str, int], states: Mapping[str, CameraState]) -> Tile:
    """Returns an institution's tile from the registry, its waiting alerts by severity and the cameras' states."""
    return Tile(
        institution_id=entry.institution_id,
        waiting=sum(waiting.values()),
        worst=max(waiting, key=_rank, default=""),
        cameras=tuple(
            camera_mark(camera_id, till.till_id, states.get(camera_id))
            for till in entry.tills
            for camera_id in till.camera_ids
        ),
    )


def camera_mark(camera_id: str, till_id: str, known: CameraState | None) -> CameraMark:
    """Returns a camera's mark; one that nothing is known of is `unknown`, never `ok`."""
    return CameraMark(
        camera_id=camera_id,
        till_id=till_id,
        state=known.state if known else "unknown",
        detail=known.detail if known else "",
        since_ms=known.since_ms if known else None,
    )


def _rank(severity: str) -> int:
    return next((rank for rank, one in enumerate(SEVERITIES, 1) if one == severity), 0)
