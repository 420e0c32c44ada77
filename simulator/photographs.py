"""Fetches the photographs of the demo from registry packages: `python -m simulator.photographs DIR`.

No photograph is part of the product. The source distribution of face_recognition carries pictures of two men in public
office, the wheel of scikit-image one of an astronaut (NASA); both archives are pinned by hash, and so is each picture.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from events.errors import TransientError

LOCK = Path(__file__).with_suffix(".lock")
FETCH_TIMEOUT_S = 600


class PhotographsMissing(TransientError):
    """The photographs could not be fetched or are not what they should be; the message says the way out."""


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """One picture inside one archive; `member` is its path there, `sha256` that of the picture."""

    name: str
    archive: str
    member: str
    sha256: str


def _of_face_recognition(name: str, sha256: str) -> Photograph:
    archive = "face_recognition-1.3.0.tar.gz"
    return Photograph(
        name=name, archive=archive, member=f"face_recognition-1.3.0/tests/test_images/{name}", sha256=sha256
    )


PHOTOGRAPHS: tuple[Photograph, ...] = (
    _of_face_recognition("obama.jpg", "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"),
    _of_face_recognition("obama2.jpg", "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"),
    _of_face_recognition("obama3.jpg", "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"),
    _of_face_recognition("obama_partial_face.jpg", "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117"),
    _of_face_recognition("obama_partial_face2.jpg", "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028"),
    _of_face_recognition("biden.jpg", "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"),
    Photograph(
        name="astronaut.png",
        archive="scikit_image-0.26.0",
        member="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
)


def missing_photographs(directory: Path) -> list[Photograph]:
    """Returns the photographs that are not in the directory, or not with the right content."""
    return [photograph for photograph in PHOTOGRAPHS if not _is_right(directory / photograph.name, photograph)]


def fetch_photographs(directory: Path, say: Callable[[str], None]) -> None:
    """Afterwards the directory holds every photograph, checked; what is right already is left alone.

    The archives go to a temporary folder that is removed again.

    Raises: PhotographsMissing when pip cannot fetch an archive, or a picture differs from its hash.
    """
    wanted = missing_photographs(directory)
    if not wanted:
        say(f"photographs: all {len(PHOTOGRAPHS)} are in {directory}")
        return
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="photographs-") as folder:
        say(f"photographs: fetching two archives (17 MB) for {len(wanted)} pictures")
        _download(Path(folder))
        for photograph in wanted:
            _extract(Path(folder), photograph, directory)
            say(f"photographs: {photograph.name}")
    say(f"photographs: all {len(PHOTOGRAPHS)} are in {directory}")


def _download(folder: Path) -> None:
    """Asks this interpreter's pip; where from is pip's own configuration, what is right is the lock file's hashes."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--requirement", str(LOCK), "--dest", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        message = f"pip did not fetch the archives within {FETCH_TIMEOUT_S} s: check the network, then run this again"
        raise PhotographsMissing(message) from error
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise PhotographsMissing(
            f"pip could not fetch the archives of {LOCK.name} (exit {done.returncode}):\n{said}\n"
            "Check that pip can reach a package index (proxy, PIP_INDEX_URL) and run this again."
        )


def _extract(folder: Path, photograph: Photograph, directory: Path) -> None:
    content = next(_contents(folder, photograph), None)
    if content is None or hashlib.sha256(content).hexdigest() != photograph.sha256:
        what = "is missing from its archive" if content is None else "differs from its sha256"
        raise PhotographsMissing(f"{photograph.name} {what} ({photograph.archive}): remove {directory} and run again")
    part = directory / f".{photograph.name}.part"
    part.write_bytes(content)
    part.replace(directory / photograph.name)


def _contents(folder: Path, photograph: Photograph) -> Iterator[bytes]:
    for path in sorted(folder.glob(f"{photograph.archive}*")):
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                if photograph.member in wheel.namelist():
                    yield wheel.read(photograph.member)
        else:
            with tarfile.open(path) as archive:
                if photograph.member in archive.getnames():
                    member = archive.extractfile(photograph.member)
                    if member is not None:
                        yield member.read()


def _is_right(path: Path, photograph: Photograph) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == photograph.sha256


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, or 3 when the photographs cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m simulator.photographs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directory", type=Path, help="where the pictures go; it is made when absent")
    try:
        fetch_photographs(parser.parse_args(arguments).directory, lambda line: print(line, flush=True))
    except PhotographsMissing as error:
        print(f"photographs: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
