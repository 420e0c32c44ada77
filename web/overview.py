"""What the wall shows beside the alerts: the day's numbers, and each institution with its cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from events.findings import SEVERITIES
from storage.access.accounts import EVERYWHERE
from storage.cameras.health import CameraHealthRecord, CameraOutage
from storage.evidence.removals import Removal, Removals
from storage.queries.alerts import AlertQueries
from storage.queries.cameras import CameraQueries, CameraState
from storage.queries.numbers import DayNumbers, NumberQueries
from storage.rule_halts import Halt, RuleHalts
from storage.terminals.contacts import Outage, TerminalOutages
from web.ports import FreeSpace, InstitutionEntry, WebServices
from web.visitors import FaceMark, marks
from web.wording import day_start_ms

FRESH_S = 1.0
MINUTE_MS = 60_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
FOR_EVER_MS = 1 << 62
"""Clocks differ a little: what seems to happen after now is of today too."""
TerminalState = Literal["ok", "dark", "none"]
MAX_TILES = 240
MAX_FACES = 6
GB = 10**9


class CameraMark(msgspec.Struct, frozen=True, kw_only=True):
    """One camera's mark on the wall; the state is `unknown` before the camera was first heard of."""

    camera_id: str
    till_id: str
    state: str
    detail: str
    since_ms: int | None


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One institution on the wall; `worst` is the highest severity that waits for an answer, empty when none does.

    `today` counts its alerts of today; its terminal is `none` where no device was paired for it.
    """

    institution_id: str
    waiting: int
    worst: str
    today: int
    terminal: TerminalState
    cameras: tuple[CameraMark, ...]


class DiskNotice(msgspec.Struct, frozen=True, kw_only=True):
    """There is too little room for evidence, or was within the last day; sizes are in GB.

    `file_count` and `removed_gb` are what was deleted early for that in the last day.
    """

    free_gb: float
    least_gb: float
    file_count: int
    removed_gb: float


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers and the wall at one moment; `hidden` institutions did not fit and wait for nothing worse.

    `week_ago` are the numbers of the same day of last week up to the same time.
    `halted` are the rules that make no alerts until somebody resumes them, `dark` the terminals that say nothing,
    `ill_cameras` those that cannot be believed for a while.
    `faces` are those that pay with many cards, of the last day. `disk` is None while there is room enough.
    """

    numbers: DayNumbers
    week_ago: DayNumbers
    tiles: tuple[Tile, ...]
    hidden: int
    halted: tuple[Halt, ...]
    dark: tuple[Outage, ...]
    ill_cameras: tuple[CameraOutage, ...]
    faces: tuple[FaceMark, ...]
    disk: DiskNotice | None


class Wall:
    """Reads the overview at most once a second, however many look at it; safe to call from any thread."""

    def __init__(self, services: WebServices, queries: AlertQueries) -> None:
        self._services, self._queries = services, queries
        self._halts = RuleHalts(services.database)
        self._outages = TerminalOutages(services.database)
        self._camera_health = CameraHealthRecord(services.database)
        self._removals = Removals(services.database)
        self._cameras_now = CameraQueries(services.database)
        self._counted = NumberQueries(services.database)
        self._week_ago: tuple[int, DayNumbers] | None = None
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
        now_ms = self._services.now_ms()
        since_ms = day_start_ms(now_ms, self._services.time_zone)
        waiting, states = self._counted.waiting_by_institution(), self._cameras_now.states()
        dark = self._outages.standing()
        today, terminals = self._counted.opened_by_institution(since_ms), self._terminals(dark)
        cameras = self._cameras(states)
        tiles = [
            tile_of(
                one,
                waiting.get(one.institution_id, {}),
                today.get(one.institution_id, 0),
                terminals.get(one.institution_id, terminals.get(EVERYWHERE, "none")),
                cameras.get(one.institution_id, ()),
            )
            for one in self._services.institutions
        ]
        if len(tiles) > MAX_TILES:
            tiles.sort(key=lambda tile: (-_rank(tile.worst), -tile.waiting, tile.institution_id))
        return Overview(
            numbers=self._counted.numbers(since_ms, FOR_EVER_MS),
            week_ago=self._numbers_a_week_ago(now_ms),
            tiles=tuple(tiles[:MAX_TILES]),
            hidden=max(0, len(tiles) - MAX_TILES),
            halted=tuple(self._halts.standing()),
            dark=tuple(dark),
            ill_cameras=tuple(self._camera_health.outages()),
            faces=tuple(
                one for one in marks(self._queries.visitors(MAX_FACES, now_ms - DAY_MS), self._queries) if one.severity
            ),
            disk=disk_notice(self._services.free_space(), self._removals.since(now_ms - DAY_MS, "disk_full")),
        )

    def _numbers_a_week_ago(self, now_ms: int) -> DayNumbers:
        """Returns the numbers of last week's day up to this minute; each minute asks the database once."""
        to_ms = now_ms - now_ms % MINUTE_MS - WEEK_MS
        if self._week_ago is None or self._week_ago[0] != to_ms:
            from_ms = day_start_ms(to_ms, self._services.time_zone)
            self._week_ago = (to_ms, self._counted.numbers(from_ms, to_ms))
        return self._week_ago[1]

    def _cameras(self, states: Mapping[str, CameraState]) -> Mapping[str, Sequence[CameraMark]]:
        """Returns the marks of each institution's cameras."""
        marked: dict[str, list[CameraMark]] = {}
        for camera in self._services.cameras.cameras():
            mark = camera_mark(camera.camera_id, camera.till_id, states.get(camera.camera_id))
            marked.setdefault(camera.institution_id, []).append(mark)
        return marked

    def _terminals(self, dark: Iterable[Outage]) -> dict[str, TerminalState]:
        """Returns the state of each institution's terminal: dark if one of them is."""
        states: dict[str, TerminalState] = {}
        for token in self._services.accounts.tokens("terminal"):
            states.update(dict.fromkeys(token.institution_ids, "ok"))
        for outage in dark:
            states[outage.institution_id] = "dark"
        return states


def tile_of(
    entry: InstitutionEntry,
    waiting: Mapping[str, int],
    today: int,
    terminal: TerminalState,
    cameras: Sequence[CameraMark],
) -> Tile:
    """Returns an institution's tile from the registry, its alerts, its terminal and its cameras."""
    return Tile(
        institution_id=entry.institution_id,
        waiting=sum(waiting.values()),
        worst=max(waiting, key=_rank, default=""),
        today=today,
        terminal=terminal,
        cameras=tuple(cameras),
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


def disk_notice(space: FreeSpace, removed: Iterable[Removal]) -> DiskNotice | None:
    """Returns what to say of the disk, or None: there is room enough, and nothing was deleted early."""
    gone = list(removed)
    if not space.is_short and not gone:
        return None
    return DiskNotice(
        free_gb=round(space.free_bytes / GB, 1),
        least_gb=round(space.least_bytes / GB, 1),
        file_count=sum(one.file_count for one in gone),
        removed_gb=round(sum(one.size_bytes for one in gone) / GB, 1),
    )


def _rank(severity: str) -> int:
    return next((rank for rank, one in enumerate(SEVERITIES, 1) if one == severity), 0)
