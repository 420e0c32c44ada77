"""The cameras in force: those of the registry file with what people changed of them, and those that people added."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from storage.access.changes import By, ChangeAction, note_change
from storage.cameras.sources import SecretText, shown_source
from storage.cameras.zones import Zone, ZoneRefused, checked_zone, zone_text
from storage.database import Database
from storage.errors import AlteredData, WrongKey
from storage.models import AccessChangeRow, CameraPictureRow, RegisteredCameraRow
from storage.sealing.crypto import Keyring
from storage.upsert import upsert

Origin = Literal["file", "page"]
CameraProblem = Literal["unknown", "taken", "name", "zone", "clock_offset", "origin"]
MOST_OFFSET_MS: Final = 24 * 3_600_000
_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class CameraError(ValueError):
    """A camera was asked for, or a change of one, that cannot be; `problem` is why."""

    def __init__(self, problem: CameraProblem, message: str) -> None:
        super().__init__(message)
        self.problem: CameraProblem = problem


class RegisteredCamera(msgspec.Struct, frozen=True, kw_only=True):
    """A camera that looks at a till.

    Fields:
        source: where it is reached, with its password; None where the key at hand does not open what was kept.
        zone: corners in 0..1 of width and height; None is the whole picture.
        clock_offset_ms: added to the camera's time gives the till's.
        is_enabled: somebody looks through it.
        at_store: the store's own agent does, and not the centre.
        origin: the registry file, or the cameras page.
        changed_by: who changed it last on the page; empty for nobody.
    """

    camera_id: str
    institution_id: str
    till_id: str
    source: SecretText | None
    zone: Zone | None = None
    clock_offset_ms: int = 0
    is_enabled: bool = True
    at_store: bool = False
    origin: Origin = "file"
    changed_by: str = ""
    changed_at_ms: int | None = None

    @property
    def shown(self) -> str:
        """What people may see of the source: how and where the camera is reached, or a file's name."""
        return "" if self.source is None else shown_source(self.source)


class CameraChange(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be different of a camera; what is not given stays."""

    source: SecretText | UnsetType = UNSET
    zone: Zone | UnsetType | None = UNSET
    clock_offset_ms: int | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    at_store: bool | UnsetType = UNSET


class _Noted(NamedTuple):
    """One difference: the column with its new value, and how the record of changes says it."""

    column: str
    value: object
    action: ChangeAction
    detail: str = ""


class CameraRegistry:
    """Safe to use from several threads; what one process changes, all see once they ask again.

    Each change is on record with it (`storage.access.changes`); the newest of those is the revision.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        of_file: Sequence[RegisteredCamera] = (),
        *,
        folder: Path | None = None,
    ) -> None:
        """Args: `of_file` are the cameras of the registry file; `folder` is the one whose films may be cameras."""
        self.folder = folder
        self._database, self._keyring = database, keyring
        self._of_file = {camera.camera_id: camera for camera in of_file}
        self._lock = threading.Lock()
        self._known: tuple[int, tuple[RegisteredCamera, ...]] | None = None

    def revision(self) -> int:
        """Returns a number that grows with each change of any camera."""
        with self._database.read() as session:
            return _revision(session)

    def listed(self) -> tuple[RegisteredCamera, ...]:
        """Returns every camera by its id, those that are switched off too."""
        with self._database.read() as session:
            revision = _revision(session)
            known = self._known
            if known is not None and known[0] == revision:
                return known[1]
            rows = session.scalars(select(RegisteredCameraRow)).all()
        cameras = tuple(sorted(self._in_force(rows), key=lambda camera: camera.camera_id))
        with self._lock:
            if self._known is None or self._known[0] < revision:
                self._known = (revision, cameras)
        return cameras

    def cameras(self) -> tuple[RegisteredCamera, ...]:
        """Returns the cameras that are looked through, by their ids."""
        return tuple(camera for camera in self.listed() if camera.is_enabled)

    def ids_by_till(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Returns which cameras look at each till, by institution and till; by an empty till, at any of its tills."""
        ids: dict[tuple[str, str], tuple[str, ...]] = {}
        for camera in self.cameras():
            for till_id in dict.fromkeys((camera.till_id, "")):
                place = (camera.institution_id, till_id)
                ids[place] = (*ids.get(place, ()), camera.camera_id)
        return ids

    def camera(self, camera_id: str) -> RegisteredCamera:
        """Returns one camera. Raises: CameraError when there is none of this id."""
        found = next((camera for camera in self.listed() if camera.camera_id == camera_id), None)
        if found is None:
            raise CameraError("unknown", f"there is no camera {camera_id}")
        return found

    def add(
        self,
        by: By,
        *,
        institution_id: str,
        till_id: str,
        source: SecretText,
        camera_id: str = "",
        zone: Zone | None = None,
        at_store: bool = False,
    ) -> str:
        """Returns the id of a new camera at the till, made up where none is given; no id is ever given twice.

        Raises: CameraError.
        """
        zone = _checked(zone)
        with self._database.session() as session:
            taken = self._of_file.keys() | _ids_ever_given(session)
            camera_id = camera_id or _free_id(institution_id, till_id, taken)
            if not _NAME.match(camera_id):
                raise CameraError("name", "letters and digits, with . _ - between them, 64 at most")
            if camera_id in taken:
                raise CameraError("taken", f"there is or was a camera {camera_id}")
            row = RegisteredCameraRow(
                camera_id=camera_id,
                institution_id=institution_id,
                till_id=till_id,
                sealed_source=self._sealed(source, camera_id),
                zone=_written(zone),
                is_enabled=True,
                at_store=at_store,
                changed_by=by.actor,
                changed_at_ms=by.at_ms,
            )
            session.add(row)
            note_change(session, by, "camera", "added", camera_id, f"{institution_id}/{till_id} {shown_source(source)}")
        return camera_id

    def change(self, by: By, camera_id: str, wanted: CameraChange) -> None:
        """The camera is as wanted; each difference is on record, and without any nothing is written.

        Raises: CameraError.
        """
        before = self.camera(camera_id)
        noted = list(self._differences(before, wanted))
        if not noted:
            return
        row: dict[str, object] = {"camera_id": camera_id, "changed_by": by.actor, "changed_at_ms": by.at_ms}
        row.update({one.column: one.value for one in noted})
        with self._database.session() as session:
            if before.origin == "page" and session.get(RegisteredCameraRow, camera_id) is None:
                raise CameraError("unknown", f"camera {camera_id} was removed meanwhile")
            upsert(session, RegisteredCameraRow, [row], "camera_id")
            for one in noted:
                note_change(session, by, "camera", one.action, camera_id, one.detail)

    def remove(self, by: By, camera_id: str) -> None:
        """A camera that was added is no more; one of the file is as the file says. Raises: CameraError."""
        camera = self.camera(camera_id)
        with self._database.session() as session:
            for table in (RegisteredCameraRow, CameraPictureRow):
                session.execute(delete(table).where(table.camera_id == camera_id))
            note_change(session, by, "camera", "removed" if camera.origin == "page" else "reset", camera_id)

    def _differences(self, before: RegisteredCamera, wanted: CameraChange) -> Iterator[_Noted]:
        if wanted.source is not UNSET and wanted.source != before.source:
            if before.origin == "file":
                raise CameraError("origin", "the registry file says where this camera is reached")
            sealed = self._sealed(wanted.source, before.camera_id)
            yield _Noted("sealed_source", sealed, "source_set", shown_source(wanted.source))
        if wanted.zone is not UNSET and (zone := _checked(wanted.zone)) != before.zone:
            yield _Noted("zone", _written(zone), "zone_set", zone_text(zone))
        if wanted.clock_offset_ms is not UNSET and wanted.clock_offset_ms != before.clock_offset_ms:
            if abs(wanted.clock_offset_ms) > MOST_OFFSET_MS:
                raise CameraError("clock_offset", "a day at most")
            told = f"{before.clock_offset_ms / 1000:+.1f} s → {wanted.clock_offset_ms / 1000:+.1f} s"
            yield _Noted("clock_offset_ms", wanted.clock_offset_ms, "clock_set", told)
        if wanted.is_enabled is not UNSET and wanted.is_enabled != before.is_enabled:
            yield _Noted("is_enabled", wanted.is_enabled, "enabled" if wanted.is_enabled else "disabled")
        if wanted.at_store is not UNSET and wanted.at_store != before.at_store:
            yield _Noted("at_store", wanted.at_store, "to_store" if wanted.at_store else "to_centre")

    def _in_force(self, rows: Sequence[RegisteredCameraRow]) -> Iterator[RegisteredCamera]:
        """Yields the cameras in no order. What both the file and a person have added is where the file says."""
        changed = {row.camera_id: row for row in rows}
        for camera_id, camera in self._of_file.items():
            yield _changed(camera, changed[camera_id]) if camera_id in changed else camera
        for row in rows:
            if row.camera_id not in self._of_file and row.institution_id is not None and row.till_id is not None:
                added = RegisteredCamera(
                    camera_id=row.camera_id,
                    institution_id=row.institution_id,
                    till_id=row.till_id,
                    source=self._opened(row),
                    origin="page",
                )
                yield _changed(added, row)

    def _sealed(self, source: str, camera_id: str) -> bytes:
        return self._keyring.seal(source.encode(), source_context(camera_id))

    def _opened(self, row: RegisteredCameraRow) -> SecretText | None:
        try:
            return SecretText(self._keyring.unseal(row.sealed_source or b"", source_context(row.camera_id)).decode())
        except (AlteredData, WrongKey):
            return None


def source_context(camera_id: str) -> str:
    """Returns what a camera's sealed address is bound to."""
    return f"camera source {camera_id}"


def _revision(session: Session) -> int:
    newest = select(func.max(AccessChangeRow.change_id)).where(AccessChangeRow.kind == "camera")
    return session.scalar(newest) or 0


def _changed(camera: RegisteredCamera, row: RegisteredCameraRow) -> RegisteredCamera:
    """Returns the camera with what the row says of it; columns that are null say nothing."""
    zone = cast("list[tuple[float, float]] | None", row.zone)
    return msgspec.structs.replace(
        camera,
        zone=camera.zone if zone is None else _read(zone),
        clock_offset_ms=camera.clock_offset_ms if row.clock_offset_ms is None else row.clock_offset_ms,
        is_enabled=row.is_enabled,
        at_store=camera.at_store if row.at_store is None else row.at_store,
        changed_by=row.changed_by,
        changed_at_ms=row.changed_at_ms,
    )


def _written(zone: Zone | None) -> list[list[float]]:
    """Returns the zone as its column holds it: empty for the whole picture, for null says nothing of it."""
    return [list(corner) for corner in zone or ()]


def _read(zone: Sequence[tuple[float, float]]) -> Zone | None:
    return tuple((x, y) for x, y in zone) or None


def _checked(zone: Zone | None) -> Zone | None:
    try:
        return checked_zone(zone)
    except ZoneRefused as error:
        raise CameraError("zone", str(error)) from None


def _ids_ever_given(session: Session) -> set[str]:
    """Returns the ids of all cameras that were ever changed: old pictures are named by them."""
    return set(session.scalars(select(AccessChangeRow.subject).where(AccessChangeRow.kind == "camera").distinct()))


def _free_id(institution_id: str, till_id: str, taken: Collection[str]) -> str:
    place = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{institution_id}-{till_id}")[:56].strip("-") or "camera"
    number = 1
    while f"{place}-{number}" in taken:
        number += 1
    return f"{place}-{number}"
