"""The files that pages need: all local, sent under an address that changes with their content."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

import msgspec

STATIC_FOLDER = Path(__file__).parent / "static"


class Asset(msgspec.Struct, frozen=True):
    """One file's bytes and type."""

    content: bytes
    content_type: str


class Assets:
    """Every file of a folder, read once; `digest` is a hash over all of them and part of their address."""

    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        self._assets = {
            path.relative_to(folder).as_posix(): Asset(path.read_bytes(), _type_of(path))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        whole = hashlib.sha256()
        for name, asset in self._assets.items():
            whole.update(name.encode("utf-8") + b"\x00" + asset.content)
        self.digest = whole.hexdigest()[:12]

    def get(self, name: str) -> Asset | None:
        """Returns the file of this name, or None."""
        return self._assets.get(name)

    def url(self, name: str) -> str:
        """Returns the file's address. Raises: KeyError when there is no such file."""
        if name not in self._assets:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"


def _type_of(path: Path) -> str:
    if path.suffix == ".js":
        return "text/javascript; charset=utf-8"
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed
