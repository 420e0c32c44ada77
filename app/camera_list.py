"""The cameras in force, for every part that asks: those of the registry file and those of the cameras page."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import structlog

from app.configuration import Configuration, cameras_of_file
from app.vault import Vault
from storage.cameras.registry import CameraRegistry, RegisteredCamera
from storage.cameras.sources import SecretText
from video.settings import CameraSettings

_log = structlog.get_logger()


def camera_registry(configuration: Configuration, vault: Vault) -> CameraRegistry:
    """Returns the cameras in force, as people see and change them."""
    of_file = [
        RegisteredCamera(
            camera_id=camera.camera_id,
            institution_id=camera.institution_id,
            till_id=camera.till_id,
            source=SecretText(camera.source),
            zone=camera.zone,
            clock_offset_ms=camera.clock_offset_ms,
            at_store=camera.at_store,
        )
        for camera in cameras_of_file(configuration.registry)
    ]
    return CameraRegistry(vault.database, vault.keyring, of_file, folder=configuration.registry_folder)


class CameraList:
    """The cameras that are looked through, at the centre or at their stores, as workers are told of them."""

    def __init__(self, configuration: Configuration, vault: Vault) -> None:
        self._registry = camera_registry(configuration, vault)
        self._of_file = {camera.camera_id: camera for camera in cameras_of_file(configuration.registry)}

    def revision(self) -> int:
        """Returns a number that grows with each change. Raises: TransientError."""
        return self._registry.revision()

    def settings(self) -> tuple[CameraSettings, ...]:
        """Returns each camera of the centre; one whose address does not open is left out, and said.

        Raises: TransientError.
        """
        return tuple(camera for camera in self._settings() if not camera.at_store)

    def at_stores(self) -> tuple[CameraSettings, ...]:
        """Returns each camera that is its store's to look through, as `settings` does. Raises: TransientError."""
        return tuple(camera for camera in self._settings() if camera.at_store)

    def institution_of(self, camera_id: str) -> str | None:
        """Returns whose camera it is, also one that is switched off; None for an unknown one.

        Raises: TransientError.
        """
        return next((one.institution_id for one in self._registry.listed() if one.camera_id == camera_id), None)

    def _settings(self) -> Iterator[CameraSettings]:
        for camera in self._registry.cameras():
            if camera.source is None:
                _log.error("camera.address_unreadable", camera_id=camera.camera_id)
                continue
            of_file = self._of_file.get(camera.camera_id)
            if of_file is None:
                of_file = CameraSettings(
                    camera_id=camera.camera_id,
                    institution_id=camera.institution_id,
                    till_id=camera.till_id,
                    source=camera.source,
                )
            yield msgspec.structs.replace(
                of_file, zone=camera.zone, clock_offset_ms=camera.clock_offset_ms, at_store=camera.at_store
            )
