"""What camera workers are told of staff: those of their own institutions, at the start and at each change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from app.camera_list import CameraList
from app.camera_watch import CameraWatch
from app.commands import commands
from app.configuration import read_configuration
from app.enrolment import enrol_photographs
from app.known_staff import staff_at
from app.staff_commands import known_institution
from app.vault import Vault
from events.errors import ConfigError
from storage.access.changes import By
from storage.faces.staff import StaffMember
from tests.storage.faces import GROUNDS, face_of
from video.messages import StaffKnown, decode_to_worker, encode_message

STORE, OTHER_STORE, WITHOUT_CAMERA = "P32990000001", "P32990000002", "P32990000003"


def registry_in(folder: Path) -> Path:
    stores = [
        {
            "institution_id": store,
            "kind": "pharmacy",
            "name_zh": store,
            "name_en": store,
            "tills": [
                {
                    "till_id": "1",
                    "name_zh": "1",
                    "name_en": "1",
                    "cameras": [{"camera_id": f"camera-{store}", "source": "rtsp://127.0.0.1/none"}],
                }
            ],
        }
        for store in (STORE, OTHER_STORE)
    ]
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump({"institutions": stores}))
    return file


def test_workers_hear_of_staff_at_the_start_and_at_each_change_and_of_none_elsewhere(tmp_path):
    vault = Vault(tmp_path / "data")
    cameras = CameraList(read_configuration(registry_file=registry_in(tmp_path)), vault)
    told: list[StaffKnown] = []
    looks = np.linspace(-1, 1, 128, dtype=np.float32)
    members = [
        StaffMember(institution_id=store, staff_id="17", role="pharmacist")
        for store in (STORE, OTHER_STORE, WITHOUT_CAMERA)
    ]
    vault.enrolment.enrol(members[0], [face_of(looks)], GROUNDS, 1)
    watch = CameraWatch(cameras, lambda _cameras: None, vault.enrolment.staff, told.append)
    for member in members[1:]:
        watch.look()
        vault.enrolment.enrol(member, [face_of(looks), face_of(-looks)], GROUNDS, 2)
    watch.look()
    watch.look()
    vault.enrolment.opt_out(members[0].subject_id, "letter", "2026-03-01", By("li", 3))
    watch.look()
    vault.close()
    assert [sorted(face.institution_id for face in known.faces) for known in told] == [
        [STORE],
        [STORE, OTHER_STORE],
        [STORE, OTHER_STORE],
        [OTHER_STORE],
    ]
    heard = decode_to_worker(encode_message(staff_at(told[1], {OTHER_STORE})))
    assert isinstance(heard, StaffKnown)
    (face,) = heard.faces
    assert (face.institution_id, face.role, len(face.references["sface"])) == (OTHER_STORE, "pharmacist", 2)
    assert np.allclose(face.references["sface"][0], looks) or np.allclose(face.references["sface"][1], looks)


def test_the_commands_list_staff_by_the_id_that_opts_them_out_and_refuse_an_unknown_store(tmp_path):
    data = tmp_path / "data"
    vault = Vault(data)
    member = StaffMember(institution_id=STORE, staff_id="17", role="pharmacist")
    vault.enrolment.enrol(member, [face_of(np.ones(128, dtype=np.float32))], GROUNDS, 1)
    with pytest.raises(ConfigError, match="`staff enrol` enrols staff"):
        next(enrol_photographs(vault.enrolment, ["sface"], member.subject_id, [Path("photo.jpg")], GROUNDS, 1))
    vault.close()

    def say(*arguments: str) -> str:
        return CliRunner().invoke(commands, [*arguments, "--data", str(data)]).stdout

    assert say("staff", "list") == f"{member.subject_id} pharmacist\n"
    assert say("staff", "list", OTHER_STORE) == ""
    assert say("enrolment", "opt-out", member.subject_id, "--basis", "letter") == "opted out; 1 references removed\n"
    assert say("staff", "list") == ""
    configuration = read_configuration(registry_file=registry_in(tmp_path))
    assert known_institution(STORE, configuration) == STORE
    with pytest.raises(ConfigError, match="an institution of the registry"):
        known_institution(WITHOUT_CAMERA, configuration)
