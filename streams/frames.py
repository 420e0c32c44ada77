"""Columns on disk: values that follow one another in files, each behind its length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from detectors.columns import (
    Coded,
    FaceColumns,
    HomeColumns,
    InjectionColumns,
    ItemColumns,
    MovementColumns,
    ObservationColumns,
    PackColumns,
    PersonColumns,
    SwipeColumns,
)
from detectors.extraction import texts

_LENGTH_BYTES: Final = 8
_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        Coded,
        FaceColumns,
        HomeColumns,
        InjectionColumns,
        ItemColumns,
        MovementColumns,
        ObservationColumns,
        PackColumns,
        PersonColumns,
        SwipeColumns,
    )
}


class Frames:
    """Files in a folder, each of values that were appended to it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def append(self, name: str, value: object) -> None:
        """Appends columns, an array, or a tuple of these to a file."""
        body = msgspec.msgpack.encode(_packed(value))
        with (self._directory / name).open("ab") as file:
            file.write(len(body).to_bytes(_LENGTH_BYTES, "little") + body)

    def read(self, name: str) -> Iterator[Any]:
        """Yields the values of a file in order; none if nothing was ever appended."""
        path = self._directory / name
        if not path.exists():
            return
        with path.open("rb") as file:
            while head := file.read(_LENGTH_BYTES):
                yield _unpacked(msgspec.msgpack.decode(file.read(int.from_bytes(head, "little"))))

    def delete(self, name: str) -> None:
        """Afterwards there is no file of that name."""
        (self._directory / name).unlink(missing_ok=True)


def _packed(value: Any) -> Any:  # noqa: ANN401 - whatever columns are made of
    if isinstance(value, np.ndarray):
        if value.dtype == np.object_:
            return {"texts": value.tolist()}
        return {"as": value.dtype.str, "shape": value.shape, "bytes": value.tobytes()}
    if is_dataclass(value) and not isinstance(value, type):
        return {"class": type(value).__name__} | {one.name: _packed(getattr(value, one.name)) for one in fields(value)}
    return [_packed(one) for one in value] if isinstance(value, tuple) else value


def _unpacked(value: Any) -> Any:  # noqa: ANN401 - as above
    match value:
        case {"bytes": raw}:
            return np.frombuffer(raw, dtype=value["as"]).reshape(value["shape"])
        case {"texts": given}:
            return texts(given)
        case {"class": kind, **columns}:
            return _KINDS[kind](**{str(name): _unpacked(column) for name, column in columns.items()})
        case [dict(), *_]:
            return [_unpacked(one) for one in value]
        case _:
            return value
