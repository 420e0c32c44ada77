"""Files that are whole or absent, whatever moment the power fails."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_new_file(path: Path, content: bytes) -> None:
    """Afterwards the file is on the disk, its owner's alone; one that was there before is left as it was."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    _write(beside, content, synced=True)
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
    sync_folder(path.parent)


def replace_file(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Afterwards the file is on the disk with this content; until then it is absent or as it was before.

    One that is not `synced` outlives the process, but not always a power cut: it may be gone or cut short then.
    """
    beside = path.with_name(f"{path.name}.tmp")
    _write(beside, content, synced=synced)
    beside.replace(path)
    if synced:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Afterwards the names in the folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, *, synced: bool) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if synced:
            os.fsync(file.fileno())
