"""After enrolling and keeping evidence, no face, picture or name can be read in any file or in what was printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import pytest

from app.vault import Vault
from simulator.photographs import missing_photographs
from storage.evidence.stills import Still
from storage.faces.references import Embedding
from tests.alerts.builders import NOON_MS, STORE
from tests.app.in_clear import in_clear
from tests.app.running import CHECKOUT, run
from video.settings import SecretBytes, VisitorSettings
from video.visitors.memory import VisitorMemory

PHOTOGRAPHS = CHECKOUT / ".cache" / "demo"
NAMES = ("obama", "biden")
JPEG = cv2.imencode(".jpg", np.full((36, 64, 3), 200, np.uint8))[1].tobytes()


def commanded(*arguments: str) -> str:
    """Returns whatever the command printed."""
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.video
def test_a_face_is_nowhere_in_clear_from_enrolling_to_erasing(tmp_path: Path) -> None:
    if missing_photographs(PHOTOGRAPHS):
        pytest.skip(f"no photographs in {PHOTOGRAPHS}: `make setup` fetches them")
    data, photo = tmp_path / "data", tmp_path / "1.jpg"
    photo.write_bytes((PHOTOGRAPHS / "obama.jpg").read_bytes())
    printed = "".join(
        commanded("enrol", person, str(photo), "--consent", "file 17", "--data", str(data))
        for person in ("329900-1", "329900-2")
    )
    vault = Vault(data)
    embeddings = [one for engine in vault.references.of("329900-1").values() for one in engine]
    assert len(embeddings) == 2
    still = Still(observation_id="o", settlement_id="S1", camera_id="c", captured_at_ms=NOON_MS, jpeg=JPEG)
    vault.evidence.keep(still)
    remembered = VisitorSettings(folder=str(vault.visitors), key=SecretBytes(vault.visitor_key))
    visitors = VisitorMemory(remembered, NOON_MS)
    assert visitors.recognise([embeddings[0]] * 3, STORE, NOON_MS) is not None
    visitors.write_snapshot(NOON_MS, Lock())
    assert visitors.recognise([embeddings[1]] * 3, STORE, NOON_MS) is not None
    visitors.close()
    vault.close()
    where = ("--data", str(data))
    printed += commanded("enrolment", "status", "329900-1", *where)
    assert "consent since" in printed
    found = commanded("enrolment", "duplicates", *where)
    assert found.startswith("329900-1 and 329900-2: sface 1.00")
    assert all(path.stat().st_size > 600 for path in vault.visitors.iterdir())
    assert in_clear(data, printed + found, embeddings, NAMES) == []

    assert "opted out; 2 references removed" in commanded(
        "enrolment", "opt-out", "329900-1", "--basis", "letter", *where
    )
    refused = run("enrol", "329900-1", str(photo), "--consent", "file 17", *where)
    assert refused.returncode == 2
    assert "opted out" in refused.stderr
    assert run("enrolment", "withdraw-opt-out", "329900-9", *where).returncode == 2
    report = commanded("enrolment", "erase", "329900-2", "--yes", *where)
    assert "removed: 2 references" in report
    assert "stays: accepted events and findings" in report
    assert in_clear(data, report, embeddings, NAMES) == []


def looks() -> Embedding:
    vector = np.random.default_rng(1).standard_normal(128)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


LEAKS: dict[str, Callable[[Path], str]] = {
    "picture": lambda folder: str((folder / "a").write_bytes(b"row" + JPEG)),
    "embedding": lambda folder: str((folder / "a").write_bytes(b"row" + looks().tobytes()[32:96])),
    "doubles": lambda folder: str((folder / "a").write_bytes(looks().astype("<f8").tobytes())),
    "message": lambda _folder: f"reference.unusable {looks().tolist()}",
    "name": lambda _folder: "enrolled from Obama.jpg",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_whatever_leaks_is_found(tmp_path: Path, leak: str) -> None:
    assert in_clear(tmp_path, "nothing", [looks()], NAMES) == []
    printed = LEAKS[leak](tmp_path)
    assert in_clear(tmp_path, printed, [looks()], NAMES) != []
