"""What a data directory and its database hold, opened: the keys, and everything that is sealed by them."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Literal

from app.webhook import WEBHOOK_KEY
from events.errors import ConfigError
from storage.access.accounts import Accounts
from storage.database import Database, default_url
from storage.evidence.clips import ClipStore
from storage.evidence.originals import OriginalStore
from storage.evidence.retention import EvidenceRetention
from storage.evidence.stills import EvidenceStore
from storage.faces.enrolment import Enrolment
from storage.faces.references import ReferenceFaces
from storage.sealing.crypto import Keyring, open_key
from storage.sealing.key_rotation import KeyRotation
from storage.sealing.rows import SEALED_COLUMNS, SealedRows, has_sealed_data

Held = Literal["no", "beside", "alone"]


class DirectoryLock:
    """Held by the one product that runs on a data directory; the system lets go of it when the process ends."""

    def __init__(self, directory: Path) -> None:
        """The lock is held. Raises: ConfigError when another process holds it."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (directory / "lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ConfigError("command line", "--data", str(directory), "no other swipewatch runs on it") from error

    def release(self) -> None:
        """Another process may hold the lock."""
        self._file.close()


def visitor_key(directory: Path) -> bytes:
    """Returns the key of the visitors that a data directory remembers, made if there are none. Raises: ConfigError."""
    return open_key(directory / "keys" / "visitors.key", needed=any((directory / "visitors").glob("*.enc")))


class Vault:
    """The database of a data directory with everything sealed in it."""

    def __init__(self, directory: Path, *, database: str | None = None, held: Held = "no") -> None:
        """Opened.

        Args:
            directory: where keys, pictures and snapshots are.
            database: its address instead of the directory's own.
            held: `alone` for the product, of which a directory and a database bear one; `beside` for the processes of
                a cluster, which share both with each other and never with such a product.

        Raises: ConfigError; DatabaseUnavailable.
        """
        self._lock = DirectoryLock(directory) if held == "alone" else None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.database = Database.open(database or default_url(directory))
        if held != "no":
            self.database.claim(alone=held == "alone")
        with self.database.starting():  # two processes that begin at once would each make keys of their own
            self._open(directory)

    def _open(self, directory: Path) -> None:
        self.directory, keys = directory, directory / "keys"
        self._evidence_key = keys / "evidence.key"
        sealed = has_sealed_data(self.database)
        self.keyring = Keyring.open(self._evidence_key, needed=sealed)
        self.visitors = directory / "visitors"
        self.store = directory / "store"
        self.webhook_key = open_key(keys / WEBHOOK_KEY)
        self.card_key = open_key(keys / "cards.key")
        self.visitor_key = visitor_key(directory)
        self.accounts = Accounts(self.database)
        self.references = ReferenceFaces(self.database, self.keyring)
        self.evidence = EvidenceStore(self.database, directory / "stills", self.keyring)
        self.clips = ClipStore(self.database, directory / "clips", self.keyring)
        self.originals = OriginalStore(self.database, directory / "originals", self.keyring)
        kept = (self.evidence.kept, self.clips.kept, self.originals.kept)
        self.enrolment = Enrolment(self.database, self.references, EvidenceRetention(self.database, kept))

    def key_rotation(self) -> KeyRotation:
        """Returns the way to another key for all that `keys/evidence.key` seals."""
        files = (self.evidence.kept, self.clips.kept, self.originals.kept)
        rows = [SealedRows(self.database, self.keyring, column) for column in SEALED_COLUMNS]
        return KeyRotation(self._evidence_key, self.keyring, files, rows)

    def close(self) -> None:
        """All connections are closed, and the directory is free."""
        self.database.close()
        if self._lock is not None:
            self._lock.release()
