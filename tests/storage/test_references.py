from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select, update

from storage.errors import AlteredData, WrongKey
from storage.evidence.stills import EvidenceStore, Still
from storage.faces.references import Embedding, Grounds, ReferenceFaces
from storage.models import ReferenceFaceRow
from storage.sealing.crypto import KEY_BYTES, Keyring
from storage.sealing.rows import has_sealed_data
from tests.alerts.builders import NOON_MS
from tests.storage.faces import GROUNDS, face_of


def embedding(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def faces(database):
    return ReferenceFaces(database, Keyring(b"k" * KEY_BYTES))


def enrol(faces: ReferenceFaces, person: str, seed: int, *, engine: str = "sface", at_ms: int = NOON_MS) -> str:
    return faces.enrol(person, face_of(embedding(seed), engine=engine), GROUNDS, at_ms)


def test_an_embedding_comes_back_exactly(faces):
    enrol(faces, "A", 1)
    (found,) = faces.of("A")["sface"]
    assert found.dtype == np.float32
    assert np.array_equal(found, embedding(1))
    found += 1  # the caller's own copy


def test_several_photographs_and_engines_stand_side_by_side_in_the_order_of_enrolment(faces):
    enrol(faces, "A", 2, at_ms=NOON_MS + 1)
    enrol(faces, "A", 1)
    enrol(faces, "A", 1, engine="dlib")
    enrol(faces, "B", 3)
    found = faces.of("A")
    assert set(found) == {"sface", "dlib"}
    assert [np.array_equal(one, embedding(seed)) for one, seed in zip(found["sface"], (1, 2), strict=True)] == [
        True
    ] * 2
    assert faces.enrolled() == {"A": 3, "B": 1}


def test_the_same_photograph_enrolled_again_counts_once_with_its_new_consent(faces, database):
    first = enrol(faces, "A", 1)
    renewed = Grounds(basis="statutory_duty", day="2026-10-01", proof="consent-renewed", by="wang")
    again = faces.enrol("A", face_of(embedding(1), version="2", quality=0.5), renewed, NOON_MS + 1)
    assert first == again
    assert faces.enrolled() == {"A": 1}
    with database.read() as session:
        row = session.scalars(select(ReferenceFaceRow)).one()
    assert (row.consent_basis, row.engine_version, row.quality, row.enrolled_at_ms) == (
        "consent-renewed",
        "2",
        0.5,
        NOON_MS + 1,
    )
    assert np.array_equal(faces.of("A")["sface"][0], embedding(1))


def test_who_is_not_enrolled_has_no_references(faces):
    assert faces.of("nobody") == {}


def test_removing_a_person_leaves_nothing_of_them(faces):
    enrol(faces, "A", 1)
    enrol(faces, "A", 2)
    enrol(faces, "B", 3)
    assert faces.remove("A") == 2
    assert faces.of("A") == {}
    assert faces.remove("A") == 0
    assert faces.enrolled() == {"B": 1}


def test_two_enrolments_made_the_other_way_round_are_swapped(faces):
    for first, second in ((1, 2), (2, 1)):
        faces.remove("A")
        faces.remove("B")
        enrol(faces, "A", first)
        enrol(faces, "B", second)
        assert np.array_equal(faces.of("A")["sface"][0], embedding(first))
        assert np.array_equal(faces.of("B")["sface"][0], embedding(second))


def test_embeddings_that_were_swapped_in_the_database_are_noticed(faces, database):
    enrol(faces, "A", 1)
    enrol(faces, "B", 2)
    with database.session() as session:
        one, two = session.scalars(select(ReferenceFaceRow)).all()
        one.embedding, two.embedding = two.embedding, one.embedding
    for person in ("A", "B"):
        with pytest.raises(AlteredData, match="reference"):
            faces.of(person)


@pytest.mark.parametrize("column", ["person_id", "engine", "engine_version"])
def test_a_row_given_to_somebody_or_something_else_is_noticed(faces, database, column):
    enrol(faces, "A", 1)
    with database.session() as session:
        session.execute(update(ReferenceFaceRow).values({column: "B"}))
    with pytest.raises(AlteredData):
        faces.of("B" if column == "person_id" else "A")


def test_another_key_is_a_clear_error(faces, database):
    enrol(faces, "A", 1)
    with pytest.raises(WrongKey):
        ReferenceFaces(database, Keyring(b"x" * KEY_BYTES)).of("A")


def test_no_plain_embedding_is_on_the_disk(faces, database, tmp_path):
    enrol(faces, "A", 1)
    database.close()
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    plain = embedding(1).tobytes()
    assert not any(plain[start : start + 16] in content for start in range(0, len(plain) - 16, 4))


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros(0), np.array([1.0, np.nan]), np.array([np.inf])])
def test_what_is_no_row_of_finite_numbers_is_refused(faces, bad):
    with pytest.raises(ValueError, match="finite numbers"):
        faces.enrol("A", face_of(bad.astype(np.float32)), GROUNDS, NOON_MS)


def test_a_reference_or_a_picture_is_sealed_data(faces, database, tmp_path):
    assert not has_sealed_data(database)
    enrol(faces, "A", 1)
    assert has_sealed_data(database)
    faces.remove("A")
    assert not has_sealed_data(database)
    still = Still(observation_id="o", settlement_id=None, camera_id="c", captured_at_ms=NOON_MS, jpeg=b"\xff\xd8")
    EvidenceStore(database, tmp_path / "stills", Keyring(b"k" * KEY_BYTES)).keep(still)
    assert has_sealed_data(database)
