"""Cameras added and changed on the page, over those of the registry file; on both databases."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select

from storage.access.changes import AccessChanges, By
from storage.cameras.clocks import CameraClock, CameraClocks
from storage.cameras.pictures import CameraFacts, CameraPictures
from storage.cameras.registry import CameraChange, CameraError, CameraRegistry, RegisteredCamera
from storage.cameras.sources import SecretText
from storage.cameras.states import CameraStates
from storage.database import Database
from storage.errors import UnknownStill
from storage.models import RegisteredCameraRow
from storage.sealing.crypto import Keyring
from storage.sealing.rows import has_sealed_data

KEYRING = Keyring(b"k" * 32)
BY = By("ada", 1_000)
STORE = "P32990000001"
SOURCE = SecretText("rtsp://admin:s3cret@10.0.0.7:554/stream1?token=abc")
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
OF_FILE = RegisteredCamera(
    camera_id="of-file",
    institution_id=STORE,
    till_id="1",
    source=SecretText("/etc/swipewatch/counter.avi"),
    zone=LEFT_HALF,
    clock_offset_ms=-1_500,
)


@pytest.fixture
def registry(database: Database) -> CameraRegistry:
    return CameraRegistry(database, KEYRING, [OF_FILE])


def added(registry: CameraRegistry, **changes: object) -> str:
    values = {"institution_id": STORE, "till_id": "2", "source": SOURCE, **changes}
    return registry.add(BY, **values)  # type: ignore[arg-type]


def problem(act: Callable[[], object]) -> str:
    with pytest.raises(CameraError) as caught:
        act()
    return caught.value.problem


def told(database: Database) -> list[tuple[str, str, str]]:
    return [(one.action, one.subject, one.detail) for one in AccessChanges(database).latest(20, kind="camera")]


def test_a_camera_that_was_added_stands_beside_those_of_the_file(database, registry):
    camera_id = added(registry, zone=LEFT_HALF)
    other_process = CameraRegistry(database, KEYRING, [OF_FILE])
    assert [camera.camera_id for camera in other_process.cameras()] == ["P32990000001-2-1", "of-file"]
    camera = other_process.camera(camera_id)
    assert (camera.source, camera.shown, camera.zone) == (SOURCE, "rtsp://10.0.0.7:554", LEFT_HALF)
    assert (camera.origin, camera.changed_by, camera.changed_at_ms) == ("page", "ada", 1_000)
    by_till = other_process.ids_by_till()
    assert by_till == {(STORE, "1"): ("of-file",), (STORE, "2"): (camera_id,), (STORE, ""): (camera_id, "of-file")}


def test_a_password_is_nowhere_in_the_database_nor_in_what_is_printed(database, registry):
    camera_id = added(registry)
    with database.read() as session:
        row = session.scalars(select(RegisteredCameraRow)).one()
        assert b"s3cret" not in (row.sealed_source or b"")
    assert has_sealed_data(database)
    assert told(database) == [("added", camera_id, f"{STORE}/2 rtsp://10.0.0.7:554")]
    assert "s3cret" not in repr(registry.camera(camera_id))


def test_changes_of_one_process_are_seen_by_another_and_grow_its_revision(database, registry):
    other_process = CameraRegistry(database, KEYRING, [OF_FILE])
    before = other_process.revision()
    assert other_process.camera("of-file").zone == LEFT_HALF
    registry.change(BY, "of-file", CameraChange(zone=None, clock_offset_ms=200))
    assert other_process.revision() > before
    changed = other_process.camera("of-file")
    assert (changed.zone, changed.clock_offset_ms, changed.source) == (None, 200, OF_FILE.source)
    assert told(database) == [("clock_set", "of-file", "-1.5 s → +0.2 s"), ("zone_set", "of-file", "")]


def test_what_is_not_different_is_not_written(registry):
    registry.change(BY, "of-file", CameraChange(zone=LEFT_HALF, clock_offset_ms=-1_500, is_enabled=True))
    assert registry.revision() == 0
    assert registry.camera("of-file") == OF_FILE


def test_a_change_of_one_thing_leaves_the_others_to_the_file(database, registry):
    registry.change(BY, "of-file", CameraChange(is_enabled=False))
    registry.change(BY, "of-file", CameraChange(is_enabled=True))
    moved = CameraRegistry(database, KEYRING, [msgspec.structs.replace(OF_FILE, clock_offset_ms=77)])
    assert moved.camera("of-file").clock_offset_ms == 77
    assert moved.camera("of-file").zone == LEFT_HALF


def test_a_camera_that_is_switched_off_is_listed_and_not_looked_through(registry):
    registry.change(BY, "of-file", CameraChange(is_enabled=False))
    assert registry.cameras() == ()
    assert [camera.is_enabled for camera in registry.listed()] == [False]
    assert registry.ids_by_till() == {}


def test_a_removed_camera_is_gone_and_its_id_is_never_given_again(registry):
    first = added(registry)
    registry.remove(BY, first)
    assert problem(lambda: registry.camera(first)) == "unknown"
    assert added(registry) == "P32990000001-2-2"
    assert problem(lambda: added(registry, camera_id=first)) == "taken"
    assert problem(lambda: added(registry, camera_id="of-file")) == "taken"


def test_a_camera_of_the_file_that_is_removed_is_as_the_file_says(database, registry):
    registry.change(BY, "of-file", CameraChange(zone=None, is_enabled=False))
    registry.remove(BY, "of-file")
    assert registry.camera("of-file") == OF_FILE
    assert told(database)[0][:2] == ("reset", "of-file")


def test_changes_of_a_camera_that_the_file_has_no_more_do_no_harm(database, registry):
    registry.change(BY, "of-file", CameraChange(zone=None))
    assert CameraRegistry(database, KEYRING).listed() == ()


def test_the_address_of_a_camera_is_changed_where_it_was_given(registry):
    camera_id = added(registry)
    registry.change(BY, camera_id, CameraChange(source=SecretText("http://10.0.0.8/video.mjpg")))
    assert registry.camera(camera_id).shown == "http://10.0.0.8"
    assert problem(lambda: registry.change(BY, "of-file", CameraChange(source=SOURCE))) == "origin"


def test_an_address_sealed_by_a_lost_key_is_no_address_and_stops_nothing(database, registry):
    camera_id = added(registry)
    other_key = CameraRegistry(database, Keyring(b"x" * 32), [OF_FILE])
    assert other_key.camera(camera_id).source is None
    assert other_key.camera("of-file").source == OF_FILE.source


@pytest.mark.parametrize(
    "zone",
    [
        ((0.1, 0.1), (0.9, 0.9)),
        ((0.1, 0.1), (0.9, 0.1), (1.1, 0.9)),
        ((0.1, 0.1), (0.11, 0.1), (0.11, 0.11)),
        ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.8)),
        tuple((0.5 + n / 100, (n % 2) / 2) for n in range(17)),
    ],
    ids=["a line", "beyond the picture", "a speck", "sides that cross", "too many corners"],
)
def test_a_zone_that_is_none_is_refused(registry, zone):
    assert problem(lambda: registry.change(BY, "of-file", CameraChange(zone=zone))) == "zone"
    assert registry.revision() == 0


def test_a_camera_nobody_knows_and_an_offset_of_days_are_refused(registry):
    assert problem(lambda: registry.change(BY, "nobody's", CameraChange(is_enabled=False))) == "unknown"
    days = CameraChange(clock_offset_ms=3 * 86_400_000)
    assert problem(lambda: registry.change(BY, "of-file", days)) == "clock_offset"
    assert problem(lambda: added(registry, camera_id="../x")) == "name"


def test_the_newest_estimate_of_a_clock_stands_in_whatever_order_they_come(database):
    states, newest = CameraStates(database), CameraClock(offset_ms=-2_400, error_ms=1_300, swipes=9, at_ms=2_000)
    states.put_clock("of-file", CameraClock(offset_ms=800, error_ms=5_000, swipes=5, at_ms=1_000))
    states.put_clock("of-file", newest)
    states.put_clock("of-file", CameraClock(offset_ms=800, error_ms=5_000, swipes=5, at_ms=1_500))
    assert CameraClocks(database).of(["of-file", "another"]) == {"of-file": newest}


def test_the_last_picture_of_a_camera_is_kept_sealed_until_the_camera_is_removed(database, registry):
    pictures = CameraPictures(database, KEYRING)
    facts = CameraFacts(at_ms=5, width_px=1280, height_px=720, codec="h264", frames_per_s=15.0)
    camera_id = added(registry)
    pictures.keep(camera_id, b"first", facts)
    pictures.keep(camera_id, b"second", facts)
    assert pictures.read(camera_id) == b"second"
    assert pictures.facts([camera_id, "of-file"]) == {camera_id: facts}
    registry.remove(BY, camera_id)
    with pytest.raises(UnknownStill):
        pictures.read(camera_id)
