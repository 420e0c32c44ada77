"""Sealed files beside the database: each named by an id, bound to it, and whole or absent."""

from __future__ import annotations

from pathlib import Path

from events.errors import TransientError
from storage.crypto import Keyring
from storage.durable_files import replace_file, sync_folder
from storage.errors import AlteredData, EvidenceMissing, WrongKey


class SealedFiles:
    """The files of one kind (`still`, `clip`) under a folder, for their owner alone."""

    def __init__(self, directory: Path, keyring: Keyring, kind: str) -> None:
        self._directory, self._keyring, self._kind = directory, keyring, kind

    def path_of(self, file_id: str) -> Path:
        """Returns where the sealed file lies."""
        return self._directory / file_id[:2] / f"{file_id}.enc"

    def write(self, file_id: str, plain: bytes) -> None:
        """Afterwards the file is on the disk, sealed; one left by a crash is taken over.

        Raises: TransientError if the disk does not take it.
        """
        path = self.path_of(file_id)
        try:
            if self._holds(path, file_id, plain):
                return
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(self._directory)
            replace_file(path, self._keyring.seal(plain, self._context(file_id)))
        except OSError as error:
            raise TransientError(f"{self._kind} {file_id} could not be written: {error.strerror}") from error

    def read(self, file_id: str) -> bytes:
        """Returns the plain bytes.

        Raises: EvidenceMissing if the file is gone; AlteredData if it is not what was kept; WrongKey.
        """
        try:
            sealed = self.path_of(file_id).read_bytes()
        except FileNotFoundError:
            raise EvidenceMissing(f"the file of {self._kind} {file_id} is gone") from None
        return self._keyring.unseal(sealed, self._context(file_id))

    def remove(self, file_id: str) -> None:
        """Afterwards there is no such file. Raises: TransientError if the disk does not let it go."""
        try:
            self.path_of(file_id).unlink(missing_ok=True)
        except OSError as error:
            raise TransientError(f"{self._kind} {file_id} could not be removed: {error.strerror}") from error

    def _holds(self, path: Path, file_id: str, plain: bytes) -> bool:
        """Whether a file left by a crash is the very one; one that no row ever vouched for may be replaced."""
        try:
            return self._keyring.unseal(path.read_bytes(), self._context(file_id)) == plain
        except (FileNotFoundError, AlteredData, WrongKey):
            return False

    def _context(self, file_id: str) -> str:
        return f"{self._kind}\x00{file_id}"
