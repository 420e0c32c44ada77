"""Sealed files beside the database: each named by an id, bound to it, and whole or absent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from events.errors import TransientError
from storage.errors import AlteredData, EvidenceMissing, WrongKey
from storage.sealing.crypto import HEAD_BYTES, Keyring
from storage.sealing.durable_files import replace_file, sync_folder


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
                path.touch()  # it is wanted again: whoever deletes files that no row names leaves it
                return
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(self._directory)
            self._seal_into(path, file_id, plain)
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

    def reseal(self, file_id: str) -> bool:
        """Returns whether the file was sealed under an earlier key; now it is under the one in force, or it is gone.

        Raises: AlteredData, WrongKey: it does not open and stays as it is; TransientError.
        """
        path = self.path_of(file_id)
        try:
            with path.open("rb") as file:
                if self._keyring.is_current(file.read(HEAD_BYTES)):
                    return False
            self._seal_into(path, file_id, self._keyring.unseal(path.read_bytes(), self._context(file_id)))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TransientError(f"{self._kind} {file_id} could not be sealed anew: {error.strerror}") from error
        return True

    def folders(self) -> list[Path]:
        """Returns the folders that files lie in."""
        if not self._directory.is_dir():
            return []
        return sorted(path for path in self._directory.iterdir() if path.is_dir())

    def ids(self) -> Iterator[str]:
        """Yields the ids of the files that are there."""
        for folder in self.folders():
            yield from sorted(path.stem for path in folder.iterdir() if path.suffix == ".enc")

    def _seal_into(self, path: Path, file_id: str, plain: bytes) -> None:
        """Writes once more if another key came into force meanwhile: no file is left behind a rotation."""
        while True:
            sealed = self._keyring.seal(plain, self._context(file_id))
            replace_file(path, sealed)
            if self._keyring.is_current(sealed):
                return

    def _holds(self, path: Path, file_id: str, plain: bytes) -> bool:
        """Whether a file left by a crash is the very one; one that no row ever vouched for may be replaced."""
        try:
            return self._keyring.unseal(path.read_bytes(), self._context(file_id)) == plain
        except (FileNotFoundError, AlteredData, WrongKey):
            return False

    def _context(self, file_id: str) -> str:
        return f"{self._kind}\x00{file_id}"
