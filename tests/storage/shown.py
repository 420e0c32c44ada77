"""Evidence for tests: a store of each kind over one database, small files of known sizes, and alerts that cite them."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from sqlalchemy import select

from events.findings import Severity
from storage.database import Database
from storage.evidence.clips import Clip, ClipStore
from storage.evidence.kept_files import KeptFiles
from storage.evidence.originals import Original, OriginalStore
from storage.evidence.stills import EvidenceStore, Still
from storage.projector import Projector
from storage.sealing.crypto import KEY_BYTES, Keyring
from tests.alerts.builders import NOON_MS, finding, policy

DAY_MS = 86_400_000
STILL_BYTES, CLIP_BYTES, ORIGINAL_BYTES = 1_000, 4_000, 6_000
KEY = b"k" * KEY_BYTES


def original(settlement: str = "S-1", camera: str = "cam-1", at_ms: int = NOON_MS, seed: int = 1) -> Original:
    video = b"\x1a\x45\xdf\xa3" + random.Random(seed).randbytes(ORIGINAL_BYTES - 4)
    return Original(
        settlement_id=settlement,
        camera_id=camera,
        container="matroska",
        video=video,
        sha256=hashlib.sha256(video).hexdigest(),
        swipe_at_ms=at_ms,
        first_at_ms=at_ms - 11_500,
        last_at_ms=at_ms + 10_000,
        first_raw_at_ms=at_ms - 12_700,
        clock_offset_ms=1_200,
        clip_first_at_ms=at_ms - 10_000,
        clip_last_at_ms=at_ms + 10_000,
        step_ms=200,
        camera_state="ok",
        customer=((at_ms, (10.5, 20.0, 60.25, 90.0)), (at_ms + 600, (11.0, 20.0, 61.0, 90.0))),
    )


def clip_of(settlement: str, at_ms: int) -> Clip:
    return Clip(
        settlement_id=settlement,
        camera_id="cam-1",
        camera_state="ok",
        swipe_at_ms=at_ms,
        first_at_ms=at_ms - 10_000,
        last_at_ms=at_ms + 9_800,
        first_raw_at_ms=at_ms - 11_200,
        clock_offset_ms=1_200,
        pictures=100,
        step_ms=200,
        webm=random.Random(settlement).randbytes(CLIP_BYTES),
    )


class Shown:
    """The three stores of a data folder."""

    def __init__(self, database: Database, directory: Path, keyring: Keyring | None = None) -> None:
        keyring = keyring or Keyring(KEY)
        self.database = database
        self.stills = EvidenceStore(database, directory / "stills", keyring)
        self.clips = ClipStore(database, directory / "clips", keyring)
        self.originals = OriginalStore(database, directory / "originals", keyring)
        self._projector = Projector(database, policy())

    @property
    def kept(self) -> tuple[KeptFiles, ...]:
        return (self.stills.kept, self.clips.kept, self.originals.kept)

    def swipe(self, settlement: str, at_ms: int) -> None:
        """Keeps a picture, a clip and an original of a swipe."""
        noise = random.Random(settlement).randbytes
        self.stills.keep(
            Still(
                observation_id=f"observation-of-{settlement}",
                settlement_id=settlement,
                camera_id="cam-1",
                captured_at_ms=at_ms,
                jpeg=noise(STILL_BYTES),
            )
        )
        self.clips.keep(clip_of(settlement, at_ms))
        self.originals.keep(original(settlement, at_ms=at_ms))

    def alert(self, settlement: str, severity: Severity, cites: tuple[str, ...] = (), *, closed: bool = False) -> None:
        """Opens an alert about a swipe that cites others."""
        found = finding(
            settlement=settlement, person=f"p-{settlement}", severity=severity, evidence=[settlement, *cites]
        )
        self._projector.write_findings([found], [], {}, NOON_MS)
        (change, *_) = self._projector.project_alerts(NOON_MS)
        if closed:
            self._projector.close(change.alert_id, "operator", "other", NOON_MS)

    def left(self) -> set[str]:
        """Returns what can still be read, as `still S-1`."""
        names = set()
        for kept in self.kept:
            columns = kept.kind.columns
            query = select(kept.kind.file_id, columns.settlement_id).where(columns.removed_at_ms.is_(None))
            with self.database.read() as session:
                rows = session.execute(query).all()
            for file_id, settlement in rows:
                kept.read(file_id)
                names.add(f"{kept.kind.name} {settlement}")
        return names

    def rows(self) -> int:
        """Returns how many rows there are, those of what was deleted among them."""
        with self.database.read() as session:
            return sum(len(session.execute(select(kept.kind.file_id)).all()) for kept in self.kept)
