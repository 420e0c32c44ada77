"""Model files: where they lie, and the proof that they are the ones that were measured."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from events.errors import ConfigError


class ModelError(ConfigError):
    """A model file is absent or not the one that was measured; the message names path and expected sha256."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(str(path), "model", found, f"the file with sha256 {expected} (`make setup` installs it)")


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One pinned file that ships in an installed package; `name` is its path inside the package's folder."""

    package: str
    name: str
    sha256: str

    def locate(self, directory: Path | None = None) -> Path:
        """Returns the file's path once its content is checked; the package itself is not imported.

        Args: directory replaces the package's folder, by file name alone.
        Raises: ModelError when it is absent, unreadable or altered.
        """
        path = self._path(directory)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(path, self.sha256, error.strerror or "unreadable") from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ModelError(path, self.sha256, f"sha256 {found}")
        return path

    def _path(self, directory: Path | None) -> Path:
        if directory is not None:
            return directory / Path(self.name).name
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError(Path(self.package) / self.name, self.sha256, "package not installed")
        return Path(spec.submodule_search_locations[0]) / self.name
