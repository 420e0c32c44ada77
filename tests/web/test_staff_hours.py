"""Whether a pharmacist was seen, by store and hour: on the page of the cameras, and never an alert."""

from __future__ import annotations

import re

import httpx
import numpy as np
import pytest

from alerts.dark_terminals import Hours
from storage.faces.staff import StaffMember
from storage.faces.staff_hours import StaffHour
from tests.alerts.builders import OTHER_STORE, STORE
from tests.storage.faces import GROUNDS, face_of
from tests.web.world import World, log_in, observation_bytes
from web.staff_hours import HOUR_MS, LEAST_LOOKS, staff_cell

EN = {"Accept": "text/html", "Accept-Language": "en"}
NIGHT_MS = 490_000 * HOUR_MS
ALWAYS = Hours(opens_minute=0, closes_minute=0, time_zone="UTC")
SHUT = Hours(opens_minute=0, closes_minute=1, time_zone="UTC")


@pytest.mark.parametrize(
    ("looks", "seen", "hours", "state"),
    [
        (LEAST_LOOKS, 1, None, "present"),
        (1, 1, SHUT, "present"),
        (LEAST_LOOKS, 0, None, "absent"),
        (LEAST_LOOKS, 0, ALWAYS, "absent"),
        (LEAST_LOOKS - 1, 0, ALWAYS, "unknown"),
        (0, 0, None, "unknown"),
        (LEAST_LOOKS, 0, SHUT, "closed"),
    ],
)
def test_an_hour_says_absent_only_after_enough_looks_at_an_open_store(looks, seen, hours, state):
    looked = StaffHour(institution_id=STORE, role="pharmacist", hour_ms=NIGHT_MS, looks=looks, seen=seen)
    assert staff_cell(NIGHT_MS, looked if looks else None, hours).state == state


def test_the_page_of_the_cameras_has_a_row_for_a_store_with_a_pharmacist(client: httpx.Client, world: World) -> None:
    log_in(client, "viewer")
    looks = np.linspace(-1, 1, 128, dtype=np.float32)
    clerk = StaffMember(institution_id=STORE, staff_id="1", role="clerk")
    without_camera = StaffMember(institution_id=OTHER_STORE, staff_id="1", role="pharmacist")
    for one in (clerk, without_camera):
        world.enrolment.enrol(one, [face_of(looks)], GROUNDS, world.now_ms())
    assert "Pharmacist at the counter" not in client.get("/cameras", headers=EN).text
    member = StaffMember(institution_id=STORE, staff_id="2", role="pharmacist")
    world.enrolment.enrol(member, [face_of(looks)], GROUNDS, world.now_ms())
    faces = [{"quality": 0.8, "staff": True, "staff_role": "pharmacist"}]
    hour_ago_ms = world.now_ms() - HOUR_MS
    world.log(observation_bytes("o1", "", hour_ago_ms, faces=faces, staff_sought=["clerk", "pharmacist"]))
    page = client.get("/cameras", headers=EN).text
    cells = re.findall(r'<td class="is-(\w+)"', page)
    assert len(cells) == 24
    assert cells[22:] == ["present", "unknown"]
    assert set(cells[:22]) == {"unknown"}
    assert "looks 1, seen 1" in page
    assert world.projector.standing() == []
