"""Which process looks at which cameras. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from video.settings import CameraSettings

Share = tuple[CameraSettings, ...]


def spread(cameras: Sequence[CameraSettings], processes: int, before: Sequence[Share] = ()) -> list[Share]:
    """Returns the cameras of each process: those of an institution together, at most one process an institution.

    An institution stays where it was; a new one goes where the fewest cameras are, those with many first. A process
    that has none left has an empty share.

    Args: processes is at least 1; before is what this returned last.
    """
    by_institution: defaultdict[str, list[CameraSettings]] = defaultdict(list)
    for camera in cameras:
        by_institution[camera.institution_id].append(camera)
    was = {camera.institution_id: number for number, share in enumerate(before) for camera in share}
    shares: list[list[CameraSettings]] = [[] for _ in range(max(len(before), min(processes, len(by_institution))))]
    ordered = sorted(by_institution.items(), key=lambda one: (one[0] not in was, -len(one[1]), one[0]))
    for institution_id, own in ordered:
        number = was.get(institution_id, min(range(len(shares)), key=lambda index: (len(shares[index]), index)))
        shares[number] += own
    return [tuple(sorted(share, key=lambda camera: camera.camera_id)) for share in shares]
