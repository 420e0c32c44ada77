"""What is kept of a holder's face and why, opting out, erasure with its report, and one face under two persons."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from app.calibrations import Calibrations
from app.cameras.intake import CameraIntake
from app.cameras.seen import swipe_seen
from events.types import Swipe
from storage.access.changes import AccessChanges, By
from storage.cameras.states import CameraStates
from storage.database import Database
from storage.evidence.clips import Clip, ClipStore
from storage.evidence.originals import Original, OriginalStore
from storage.evidence.removals import Removals
from storage.evidence.retention import EvidenceRetention, Swept
from storage.evidence.stills import EvidenceStore, Still
from storage.faces import enrolment as enrolment_module
from storage.faces.duplicates import ALIKE_FROM
from storage.faces.enrolment import Enrolled, Enrolment
from storage.faces.opt_outs import OptOut, OptOuts
from storage.faces.references import Embedding, Face, Grounds, OptedOut, ReferenceFaces
from storage.faces.staff import StaffMember
from storage.log import AcceptedLog
from storage.models import ReferenceFaceRow
from storage.projector import Projector
from storage.sealing.crypto import KEY_BYTES, Keyring
from tests.alerts.builders import NOON_MS, STORE, finding, policy
from tests.storage.events import record_of, swipe_bytes
from tests.storage.faces import GROUNDS, face_of
from tests.storage.shown import Shown, original
from video.messages import Observed, OriginalCut

BY = By("li", NOON_MS)
LATER = By("wang", NOON_MS + 1)


class Kept(NamedTuple):
    database: Database
    references: ReferenceFaces
    stills: EvidenceStore
    clips: ClipStore
    enrolment: Enrolment


@pytest.fixture
def kept(database: Database, tmp_path: Path) -> Kept:
    keyring = Keyring(b"k" * KEY_BYTES)
    references = ReferenceFaces(database, keyring)
    stills = EvidenceStore(database, tmp_path / "stills", keyring)
    clips = ClipStore(database, tmp_path / "clips", keyring)
    originals = OriginalStore(database, tmp_path / "originals", keyring)
    retention = EvidenceRetention(database, (stills.kept, clips.kept, originals.kept))
    return Kept(database, references, stills, clips, Enrolment(database, references, retention))


def looks(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(128)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def looks_like(other: Embedding, cosine: float) -> Embedding:
    across = looks(99) - np.dot(looks(99), other) * other
    near = cosine * other + np.sqrt(1 - cosine**2) * across / np.linalg.norm(across)
    return np.asarray(near, dtype=np.float32)


def enrol(kept: Kept, person_id: str, *faces: Face, grounds: Grounds = GROUNDS) -> Enrolled:
    return kept.enrolment.enrol(person_id, faces or (face_of(looks(1)),), grounds, NOON_MS)


def pairs(kept: Kept) -> list[tuple[str, str, str | None]]:
    return [(one.person_id, one.other_person_id, one.outcome) for one in kept.enrolment.duplicates.found()]


# ------------------------------------------------------------------------------------------------ on what grounds


def test_why_since_when_and_by_whom_a_face_is_kept_stands_beside_it(kept):
    assert enrol(kept, "A", face_of(looks(1)), face_of(looks(2), engine="dlib")).references == 2
    (first, second) = kept.enrolment.status("A").references
    assert first.grounds == second.grounds == GROUNDS
    assert {first.engine, second.engine} == {"sface", "dlib"}
    (change,) = AccessChanges(kept.database).latest(5)
    assert (change.actor, change.kind, change.action, change.subject) == ("li", "enrolment", "enrolled", "A")


def test_a_hundred_thousand_enrolled_people_must_be_filed(kept, monkeypatch):
    assert not enrol(kept, "A").must_be_filed
    monkeypatch.setattr(enrolment_module, "MUST_BE_FILED_FROM", 2)
    assert not enrol(kept, "A", face_of(looks(2))).must_be_filed  # a person, not a photograph
    assert enrol(kept, "B", face_of(looks(3))).must_be_filed


# ------------------------------------------------------------------------------------------------ opting out


def test_who_has_opted_out_is_compared_with_nobody_and_cannot_be_enrolled(kept):
    enrol(kept, "A", face_of(looks(1)), face_of(looks(2)))
    assert kept.enrolment.opt_out("A", "letter, file 9", "2026-03-01", BY) == 2
    assert kept.enrolment.status("A").references == ()
    assert kept.enrolment.status("A").opt_out == OptOut(
        person_id="A", basis="letter, file 9", since_day="2026-03-01", noted_at_ms=NOON_MS, noted_by="li"
    )
    with pytest.raises(OptedOut):
        enrol(kept, "A")
    assert kept.enrolment.people_count() == 0
    assert kept.enrolment.opt_out_count() == 1


class OptsOutMeanwhile(Keyring):
    """Somebody notes an opt-out while a reference is being sealed."""

    def __init__(self, opt_outs: OptOuts) -> None:
        super().__init__(b"k" * KEY_BYTES)
        self._opt_outs = opt_outs

    def seal(self, plain: bytes, context: str) -> bytes:
        self._opt_outs.put("A", "said so", "2026-03-01", BY)
        return super().seal(plain, context)


def test_a_reference_of_somebody_who_opts_out_at_that_moment_is_not_left(kept):
    references = ReferenceFaces(kept.database, OptsOutMeanwhile(OptOuts(kept.database)))
    with pytest.raises(OptedOut):
        references.enrol("A", face_of(looks(1)), GROUNDS, NOON_MS)
    with kept.database.read() as session:
        assert session.scalars(select(ReferenceFaceRow)).all() == []


def test_an_opted_out_holders_swipe_carries_no_references_to_the_cameras(kept):
    enrol(kept, "A")
    swipe = record_of(swipe_bytes("S1", person="A")).event
    assert isinstance(swipe, Swipe)
    assert set(swipe_seen(swipe, kept.references).references) == {"sface"}
    kept.enrolment.opt_out("A", "said so", "2026-03-01", BY)
    assert swipe_seen(swipe, kept.references).references == {}


def test_even_a_reference_that_was_left_is_not_given_out(kept):
    enrol(kept, "A")
    OptOuts(kept.database).put("A", "said so", "2026-03-01", BY)
    assert kept.references.of("A") == {}


def test_a_withdrawn_opt_out_lets_the_person_be_enrolled_anew_and_is_on_record(kept):
    assert not kept.enrolment.withdraw_opt_out("A", BY)
    enrol(kept, "A")
    kept.enrolment.opt_out("A", "said so", "2026-03-01", BY)
    assert kept.enrolment.withdraw_opt_out("A", LATER)
    assert kept.references.of("A") == {}
    enrol(kept, "A")
    assert set(kept.references.of("A")) == {"sface"}
    assert [(one.actor, one.action) for one in AccessChanges(kept.database).latest(9, name="A")] == [
        ("li", "enrolled"),
        ("wang", "opt_out_withdrawn"),
        ("li", "opted_out"),
        ("li", "enrolled"),
    ]


# ------------------------------------------------------------------------------------------------ duplicates


@pytest.mark.parametrize(("above", "found"), [(0.01, True), (-0.01, False)])
def test_the_same_face_under_two_persons_is_found_from_the_threshold_on(kept, above, found):
    enrol(kept, "B", face_of(looks(1)))
    enrol(kept, "A", face_of(looks_like(looks(1), ALIKE_FROM["sface"] + above)))
    assert pairs(kept) == ([("A", "B", None)] if found else [])
    assert kept.enrolment.duplicates.waiting_count() == int(found)
    assert kept.enrolment.people_count() == 2  # nothing is merged


def test_own_photographs_other_engines_and_other_versions_are_no_duplicates(kept):
    enrol(kept, "A", face_of(looks(1)), face_of(looks_like(looks(1), 0.9)))
    enrol(kept, "B", face_of(looks(1), engine="dlib"))
    enrol(kept, "C", face_of(looks(1), version="2"))
    enrol(kept, "D", face_of(looks(1), engine="unheard-of"))
    assert pairs(kept) == []


def test_what_a_supervisor_has_settled_is_not_asked_again_by_the_next_photograph(kept):
    enrol(kept, "A")
    enrol(kept, "B")
    (one,) = kept.enrolment.duplicates.found()
    assert one.similarity == pytest.approx(1.0)
    assert kept.enrolment.duplicates.settle(one.duplicate_id, "different_people", LATER)
    assert not kept.enrolment.duplicates.settle(one.duplicate_id + 1, "different_people", LATER)
    enrol(kept, "A", face_of(looks_like(looks(1), 0.9)))
    assert pairs(kept) == [("A", "B", "different_people")]
    assert kept.enrolment.duplicates.waiting_count() == 0


def test_a_reference_that_does_not_open_hides_no_other_from_the_search(kept):
    enrol(kept, "A")
    enrol(kept, "B", face_of(looks(2)))
    with kept.database.session() as session:
        row = session.scalars(select(ReferenceFaceRow).where(ReferenceFaceRow.person_id == "B")).one()
        row.embedding = row.embedding[:-1]
    enrol(kept, "C")
    assert pairs(kept) == [("A", "C", None)]


# ------------------------------------------------------------------------------------------------ erasure


def log_swipe(kept: Kept, settlement_id: str, person_id: str, at_ms: int = NOON_MS) -> None:
    logged = record_of(swipe_bytes(settlement_id, person=person_id, at_ms=at_ms))
    with kept.database.session() as session:
        AcceptedLog(kept.database).append(session, [logged])


def picture_and_clip(kept: Kept, settlement_id: str) -> None:
    kept.stills.keep(
        Still(
            observation_id=f"o-{settlement_id}",
            settlement_id=settlement_id,
            camera_id="c",
            captured_at_ms=NOON_MS,
            jpeg=settlement_id.encode(),
        )
    )
    kept.clips.keep(
        Clip(
            settlement_id=settlement_id,
            camera_id="c",
            camera_state="ok",
            swipe_at_ms=NOON_MS,
            first_at_ms=NOON_MS,
            last_at_ms=NOON_MS,
            first_raw_at_ms=NOON_MS,
            clock_offset_ms=0,
            pictures=1,
            step_ms=200,
            webm=settlement_id.encode(),
        )
    )


def test_erasing_removes_references_pairs_and_evidence_and_says_what_stays(kept, tmp_path):
    enrol(kept, "A")
    enrol(kept, "B")
    for settlement_id, person in (("S1", "A"), ("S2", "B"), ("S3", "A"), ("S4", "A")):
        log_swipe(kept, settlement_id, person)
        picture_and_clip(kept, settlement_id)
    projector = Projector(kept.database, policy())
    projector.write_findings([finding(settlement="S3", person="A")], [], {}, NOON_MS)
    projector.project_alerts(NOON_MS)
    erased = kept.enrolment.erase("A", LATER)
    assert (erased.references, erased.duplicates, erased.swipes, erased.alerts) == (1, 1, 3, 1)
    assert erased.removed == {"still": 2, "clip": 2}
    assert erased.cited == {"still": 1, "clip": 1}
    assert not erased.is_opted_out
    assert [len(kept.stills.for_settlement(one)) for one in ("S1", "S2", "S3", "S4")] == [0, 1, 1, 0]
    assert len(list(tmp_path.rglob("*.enc"))) == 4
    assert {(one.kind, one.reason, one.file_count) for one in Removals(kept.database).latest(5)} == {
        ("still", "erased", 2),
        ("clip", "erased", 2),
    }
    assert kept.enrolment.people() == {"B": 1}
    assert pairs(kept) == []
    (change,) = AccessChanges(kept.database).latest(1)
    assert (change.actor, change.action, change.subject) == ("wang", "erased", "A")


def observed(settlement_id: str) -> Observed:
    """Returns what a camera saw of a swipe, with its picture."""
    event = {
        "type": "face_observed",
        "event_id": f"o-{settlement_id}",
        "occurred_at_ms": NOON_MS,
        "institution_id": STORE,
        "till_id": "1",
        "camera_id": "cam-1",
        "healthy": True,
        "people": 1,
        "faces": [],
        "stage": "first",
        "camera_state": "ok",
    }
    return Observed(
        original=msgspec.json.encode(event),
        still=settlement_id.encode(),
        settlement_id=settlement_id,
        camera_id="cam-1",
        captured_at_ms=NOON_MS,
    )


def cut(settlement_id: str) -> OriginalCut:
    made = original(settlement_id)
    return OriginalCut(**{name: getattr(made, name) for name in Original.__struct_fields__})


def test_what_cameras_say_of_an_erased_holder_later_is_accepted_without_a_picture_or_a_film(kept, tmp_path):
    shown, handed_in = Shown(kept.database, tmp_path / "shown"), list[bytes]()
    intake = CameraIntake(
        evidence=shown.stills,
        originals=shown.originals,
        states=CameraStates(kept.database),
        calibrations=Calibrations(kept.database),
        submit=lambda _sender, originals: handed_in.extend(originals),
    )
    for settlement_id, person, at_ms in (("S1", "A", NOON_MS), ("S2", "B", NOON_MS), ("S3", "A", LATER.at_ms + 1)):
        log_swipe(kept, settlement_id, person, at_ms)
    kept.enrolment.erase("A", LATER)
    said = [(observed(one), cut(one)) for one in ("S1", "S2", "S3", "not-logged")]
    with capture_logs() as logs:
        intake.keep_all([message for both in said for message in both])
    assert handed_in == [first.original for first, _ in said]
    assert shown.left() == {f"{kind} {one}" for kind in ("still", "original") for one in ("S2", "S3", "not-logged")}
    assert [(line["event"], line["kind"]) for line in logs] == [
        ("evidence.refused", "still"),
        ("evidence.refused", "original"),
    ]


def test_a_picture_that_is_kept_when_its_holder_is_erased_stays_where_an_alert_cites_it_and_may_come_again(kept):
    log_swipe(kept, "S1", "A")
    picture_and_clip(kept, "S1")
    projector = Projector(kept.database, policy())
    projector.write_findings([finding(settlement="S1", person="A")], [], {}, NOON_MS)
    projector.project_alerts(NOON_MS)
    kept.enrolment.erase("A", LATER)
    with capture_logs() as logs:
        picture_and_clip(kept, "S1")
    assert logs == []
    assert len(kept.stills.for_settlement("S1")) == 1


class ErasedMeanwhile(Keyring):
    """Somebody erases the holder while a picture is being sealed."""

    def __init__(self, erase: Callable[[], object]) -> None:
        super().__init__(b"k" * KEY_BYTES)
        self._erase = erase

    def seal(self, plain: bytes, context: str) -> bytes:
        self._erase()
        return super().seal(plain, context)


def test_a_picture_of_somebody_who_is_erased_at_that_moment_is_not_left(kept, tmp_path):
    log_swipe(kept, "S1", "A")
    shown = Shown(kept.database, tmp_path / "shown", ErasedMeanwhile(lambda: kept.enrolment.erase("A", LATER)))
    shown.originals.keep(original("S1"))
    assert shown.rows() == 0
    assert list((tmp_path / "shown").rglob("*.enc")) == []


def test_a_film_that_comes_while_its_holders_evidence_is_being_removed_is_not_left(kept, tmp_path):
    log_swipe(kept, "S1", "A")
    shown = Shown(kept.database, tmp_path / "shown")

    class Slow(EvidenceRetention):
        def remove_of_swipes(self, settlement_ids: Collection[str], now_ms: int) -> Swept:
            swept = super().remove_of_swipes(settlement_ids, now_ms)
            shown.originals.keep(original("S1"))
            return swept

    Enrolment(kept.database, kept.references, Slow(kept.database, shown.kept)).erase("A", LATER)
    assert shown.rows() == 0


def test_erasing_somebody_of_whom_nothing_is_kept_removes_nothing(kept):
    picture_and_clip(kept, "S1")
    erased = kept.enrolment.erase("A", BY)
    assert (erased.references, erased.removed, erased.cited, erased.swipes) == (0, {}, {}, 0)


def test_erasing_leaves_the_opt_out(kept):
    kept.enrolment.opt_out("A", "said so", "2026-03-01", BY)
    assert kept.enrolment.erase("A", BY).is_opted_out
    with pytest.raises(OptedOut):
        enrol(kept, "A")


def test_every_swipe_with_evidence_is_looked_at_however_many_there_are(kept, monkeypatch):
    monkeypatch.setattr(enrolment_module, "LOOKED_AT_ONCE", 2)
    for number in range(5):
        log_swipe(kept, f"S{number}", "A" if number % 2 else "B")
        picture_and_clip(kept, f"S{number}")
    assert kept.enrolment.erase("B", BY).swipes == 3


def test_staff_are_enrolled_beside_holders_and_told_by_institution(kept):
    member = StaffMember(institution_id="P32990000001", staff_id="17", role="pharmacist")
    elsewhere = StaffMember(institution_id="P32990000002", staff_id="17", role="clerk")
    before = kept.enrolment.staff.revision()
    kept.enrolment.enrol("329900-1", [face_of(looks(1))], GROUNDS, NOON_MS)
    for one in (member, elsewhere):  # the same face as a holder's: they are insured, too
        kept.enrolment.enrol(one, [face_of(looks(1))], GROUNDS, NOON_MS)
    assert kept.enrolment.staff.revision() > before
    assert kept.enrolment.duplicates.found() == []
    assert kept.enrolment.people() == {"329900-1": 1}
    assert kept.enrolment.people_count() == 3
    assert kept.enrolment.staff.enrolled() == [member, elsewhere]
    (faces,) = kept.enrolment.staff.faces({"P32990000001"})
    assert (faces.institution_id, faces.role) == ("P32990000001", "pharmacist")
    assert np.array_equal(faces.references["sface"][0], looks(1))


def test_staff_who_opt_out_or_are_erased_are_known_to_no_camera(kept):
    members = [StaffMember(institution_id="P32990000001", staff_id=one, role="clerk") for one in "ab"]
    for one in members:
        kept.enrolment.enrol(one, [face_of(looks(3))], GROUNDS, NOON_MS)
    told = kept.enrolment.staff.revision()
    assert kept.enrolment.opt_out(members[0].subject_id, "letter", "2026-03-01", BY) == 1
    assert kept.enrolment.staff.enrolled() == [members[1]]
    assert kept.enrolment.staff.revision() > told
    with pytest.raises(OptedOut):
        kept.enrolment.enrol(members[0], [face_of(looks(3))], GROUNDS, NOON_MS)
    erased = kept.enrolment.erase(members[1].subject_id, LATER)
    assert (erased.references, erased.swipes, erased.visitors) == (1, 0, 0)
    assert list(kept.enrolment.staff.faces({"P32990000001"})) == []
    changes = AccessChanges(kept.database).latest(9, kind="staff")
    assert [(one.action, one.subject) for one in changes] == [
        ("erased", members[1].subject_id),
        ("opted_out", members[0].subject_id),
        ("enrolled", members[1].subject_id),
        ("enrolled", members[0].subject_id),
    ]
