"""A counter without a clock: pictures are shown to a real camera and desk one by one, as if time went by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from video.camera import Camera
from video.desk import Desk, SecondOpinion
from video.engine import Embedding, FaceEngine, Image
from video.messages import CameraStateChanged, FromWorker, Observed, SwipeSeen
from video.settings import CameraSettings, VideoSettings
from video.sources.port import Packet
from video.visitors.index import VisitorIndex

CHECKOUT = Path(__file__).parents[2]
PHOTOGRAPHS = CHECKOUT / ".cache" / "demo"
SHARED_DATA = CHECKOUT.parent / "shared" / "data"
STEP_MS = 200
START_MS = 1_780_000_000_000
CAMERA = CameraSettings(camera_id="c-1", institution_id="P32990000001", till_id="1", source="-")
SETTINGS = VideoSettings(cameras=(CAMERA,))


def packet_of(picture: Image, raw_at_ms: int) -> Packet:
    """Returns a picture as a camera sends it that sends one JPEG after the other."""
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return Packet(raw_at_ms=raw_at_ms, data=jpeg.tobytes(), is_key=True, codec="mjpeg")


@dataclass
class Counter:
    """One camera, one desk, and everything that was said."""

    engine: FaceEngine
    camera_settings: CameraSettings = CAMERA
    settings: VideoSettings = SETTINGS
    visitors: VisitorIndex = field(default_factory=VisitorIndex)
    second: SecondOpinion | None = None
    said: list[FromWorker] = field(default_factory=list)
    shown: int = 0

    def __post_init__(self) -> None:
        self.camera = Camera(self.camera_settings, self.engine, self.settings)
        self.desk = Desk(
            self.settings, [self.camera], self.engine, self.visitors, send=self.said.append, second=self.second
        )

    @property
    def now_ms(self) -> int:
        return START_MS + self.shown * STEP_MS

    def show(self, pictures: Iterable[Image]) -> None:
        """Shows pictures 200 ms apart; after each the desk works until it has nothing to do."""
        for picture in pictures:
            self.camera.see(packet_of(picture, self.now_ms))
            self.shown += 1
            self.work()

    def wait(self, duration_ms: int) -> None:
        """Lets time go by without a picture."""
        for _ in range(duration_ms // STEP_MS):
            self.shown += 1
            self.work()

    def work(self) -> None:
        while self.desk.work(self.now_ms):
            pass

    def swipe(self, settlement_id: str = "S1", **references: Sequence[Embedding]) -> int:
        """A card is swiped now; returns its time."""
        known = {engine: [face.tolist() for face in faces] for engine, faces in references.items()}
        self.desk.swipe_seen(
            SwipeSeen(
                settlement_id=settlement_id,
                institution_id=self.camera_settings.institution_id,
                till_id=self.camera_settings.till_id,
                occurred_at_ms=self.now_ms,
                references=known,
            )
        )
        return self.now_ms

    @property
    def observed(self) -> list[Observed]:
        return [message for message in self.said if isinstance(message, Observed)]

    @property
    def states(self) -> list[str]:
        return [message.state for message in self.said if isinstance(message, CameraStateChanged)]

    def events(self, settlement_id: str | None = None, stage: str | None = None) -> list[dict[str, Any]]:
        """Returns the observations said for a swipe (or for presence), in order."""
        found = [json.loads(one.original) for one in self.observed if one.settlement_id == settlement_id]
        return [event for event in found if stage is None or event["stage"] == stage]

    def verdicts(self, settlement_id: str) -> list[str | None]:
        """Returns what each observation of a swipe said of its customer."""
        return [
            face.get("verdict")
            for event in self.events(settlement_id)
            for face in event["faces"]
            if face.get("settlement_id") == settlement_id
        ]
