"""Enrols reference faces from photographs, for every engine that is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from app.photo_reading import ANOTHER_PERSON, read_photos
from events.errors import ConfigError
from storage.faces.enrolment import MUST_BE_FILED_FROM, Enrolment, subject_of
from storage.faces.references import Grounds, OptedOut, is_staff
from storage.faces.staff import StaffMember
from video.enrolment import ADVICE
from web.ports import ReadPhoto

ADVICE_FOR: Final[Mapping[str, str]] = {str(problem): advice for problem, advice in ADVICE.items()} | {
    ANOTHER_PERSON: "another face than on the first photograph: use pictures of one person",
}


def enrol_photographs(
    enrolment: Enrolment,
    engines: Sequence[str],
    whom: str | StaffMember,
    photographs: Sequence[Path],
    grounds: Grounds,
    at_ms: int,
) -> Iterator[str]:
    """Yields what was enrolled, after it has been kept: all photographs or none.

    Args: whom is an insured person's id, or a member of staff.
    Raises: ConfigError when a photograph cannot be read or is not good, and says of each what to change; or when the
    person has opted out.
    """
    person_id = subject_of(whom)
    if isinstance(whom, str) and is_staff(whom):
        raise ConfigError("command line", "PERSON_ID", whom, "an insured person; `staff enrol` enrols staff")
    if enrolment.is_opted_out(person_id):
        raise _opted_out(person_id)
    read = read_photos(engines, [_bytes_of(photograph) for photograph in photographs])
    refused = [(name, one) for name, one in zip(photographs, read, strict=True) if one.problems]
    if refused:
        names = ", ".join(str(name) for name, _ in refused)
        told = " / ".join(f"{name.name}: {_advice(one)}" for name, one in refused)
        raise ConfigError("command line", "PHOTOGRAPHS", names, f"good photographs, or nothing is kept: {told}")
    try:
        enrolled = enrolment.enrol(whom, [face for one in read for face in one.faces], grounds, at_ms)
    except OptedOut as error:
        raise _opted_out(person_id) from error
    for name, one in zip(photographs, read, strict=True):
        for face in one.faces:
            yield f"enrolled {person_id} for {face.engine} {face.engine_version} ({name}, quality {face.quality:.2f})"
    if enrolled.must_be_filed:
        yield f"{enrolled.people} people are enrolled: from {MUST_BE_FILED_FROM} on this has to be filed"


def _advice(photo: ReadPhoto) -> str:
    return "; ".join(ADVICE_FOR[problem] for problem in photo.problems)


def _opted_out(person_id: str) -> ConfigError:
    return ConfigError(
        "command line", "PERSON_ID", person_id, "somebody who has not opted out; `enrolment withdraw-opt-out` ends it"
    )


def _bytes_of(photograph: Path) -> bytes:
    try:
        return photograph.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(photograph), "photograph", str(photograph), f"cannot be read: {error.strerror}"
        ) from error
