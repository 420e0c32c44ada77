"""A video file that plays in real time, as a camera would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from video.settings import CameraSettings
from video.sources.demuxing import Demuxed, reason_of, video_of
from video.sources.port import Clock, Packet, SourceEnded, SourceError, wall_clock_ms

FALLEN_BEHIND_MS: Final = 10_000
CLIP_END_RATIO: Final = 0.9
"""A clip that stops delivering after this part of its stated length has merely miscounted its pictures."""


class FileSource:
    """A video file as a camera.

    The picture of file time f is taken at epoch + f, counted round when it loops; so what it shows at a moment is
    settled by its epoch. On opening it first delivers what a camera would have shown during the last `history_ms`,
    unpaced, from the key picture before.
    """

    def __init__(self, settings: CameraSettings, *, history_ms: int = 10_000, clock: Clock = wall_clock_ms) -> None:
        self._path, self._loop = Path(settings.source), settings.loop
        self._history_ms, self._clock = history_ms, clock
        self._epoch_ms = settings.epoch_ms

    def packets(self, stop: threading.Event) -> Iterator[Packet]:
        """Yields each packet, not before its time; falls back into step when more than 10 s behind.

        Raises: SourceError when the file is absent, no video, or breaks off; SourceEnded at the end when not looped.
        """
        clip = _Clip(self._path)
        try:
            yield from self._play(clip, stop)
        except av.error.FFmpegError as error:
            raise SourceError(f"{self._path.name}: {reason_of(error)}") from error
        finally:
            clip.close()

    def _play(self, clip: _Clip, stop: threading.Event) -> Iterator[Packet]:
        now = self._clock()
        epoch = self._epoch_ms = now if self._epoch_ms is None else self._epoch_ms
        shown_ms, late_ms = Fraction(max(now - self._history_ms - epoch, 0)), self._history_ms + FALLEN_BEHIND_MS
        while not stop.is_set():
            turn, within_ms = divmod(shown_ms, clip.length_ms)
            if turn and not self._loop:
                raise SourceEnded(f"{self._path.name} has ended")
            shown_ms = (turn + 1) * clip.length_ms
            for packet in clip.packets(epoch + turn * clip.length_ms, within_ms):
                early, behind_ms = self._wait(packet.raw_at_ms, stop)
                if stop.is_set():
                    return
                if early:
                    late_ms = FALLEN_BEHIND_MS
                if behind_ms > late_ms:
                    shown_ms = Fraction(self._clock() - epoch)
                    break
                yield packet

    def _wait(self, raw_at_ms: int, stop: threading.Event) -> tuple[bool, int]:
        """Returns once it is time, or stop is set: whether it was too early at first, and how late it is now."""
        early = False
        while (ahead_ms := raw_at_ms - self._clock()) > 0 and not stop.is_set():
            early = True
            stop.wait(ahead_ms / 1000)
        return early, -ahead_ms


class _Clip:
    """An open video file, read from any of its moments."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceError(f"{path.name}: there is no such file")
        self._name = path.name
        try:
            self._container = av.open(str(path), "r")
        except av.error.FFmpegError as error:
            raise SourceError(f"{path.name}: not a video that can be read") from error
        self._stream = video_of(self._container, path.name)
        self._start = self._stream.start_time or 0
        self._tick_ms = 1_000 * (self._stream.time_base or Fraction(0))
        self.length_ms = self._length_ms()
        if self.length_ms <= 0:
            self._container.close()
            raise SourceError(f"{path.name}: not a video that can be read: it does not say how long it is")

    def _length_ms(self) -> Fraction:
        if self._stream.duration:
            return self._stream.duration * self._tick_ms
        return Fraction(self._container.duration or 0, av.time_base // 1_000)

    def packets(self, began_at_ms: Fraction, from_ms: Fraction) -> Iterator[Packet]:
        """Yields the packets from the key picture before a moment to the end; the first of the file is at began_at_ms.

        Raises: SourceError when the file ends long before its end.
        """
        last_ms = from_ms
        self._container.seek(self._start + int(from_ms / self._tick_ms), stream=self._stream, backward=True)
        demuxed = Demuxed(self._container, self._stream)
        for packet in demuxed:
            if packet.pts is None:
                continue
            at_ms = (packet.pts - self._start) * self._tick_ms
            last_ms = max(last_ms, at_ms)
            yield Packet(
                raw_at_ms=round(began_at_ms + at_ms),
                data=bytes(packet),
                is_key=packet.is_keyframe,
                codec=demuxed.codec,
            )
        if last_ms < self.length_ms * Fraction(CLIP_END_RATIO):
            raise SourceError(
                f"{self._name}: breaks off at {float(last_ms) / 1000:.1f} s of {float(self.length_ms) / 1000:.1f} s"
            )

    def close(self) -> None:
        """Afterwards the file is closed."""
        self._container.close()
