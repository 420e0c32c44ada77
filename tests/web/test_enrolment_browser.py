"""Enrolling in a real browser: photographs made smaller there, each told good or not; a holder, then staff; erased."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, expect

from tests.alerts.builders import STORE
from tests.web.browsing import Complaints, check_layout, log_in, window
from tests.web.world import World, counter_jpeg

pytestmark = pytest.mark.browser

PERSON = "329900199001011234"


def photo(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def test_a_holder_and_a_pharmacist_are_enrolled_and_the_pharmacist_is_erased(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    world.photo_reader.refuses[b"no picture"] = ("not_a_picture",)
    large = BytesIO()
    Image.new("RGB", (3000, 2000), "gray").save(large, "JPEG")
    with window(browser, complaints) as (_, page):
        log_in(page, address, "supervisor")
        page.goto(f"{address}/enrolment")
        check_layout(page, "enrolled faces")
        holder, staff = page.locator("form[data-enrol]").all()
        holder.get_by_label("Person id").fill(PERSON)
        holder.get_by_label("What proves it").fill("file 17")
        holder.get_by_label("Photographs").set_input_files(
            [photo("large.jpg", large.getvalue()), photo("text.jpg", b"no picture")]
        )
        holder.get_by_role("button", name="Enrol").click()
        expect(holder.locator("[data-report] li")).to_have_text(
            ["large.jpg: good", "text.jpg: This is no picture: use a JPEG or PNG file."]
        )
        assert world.enrolment.people_count() == 0
        holder.get_by_label("Photographs").set_input_files([photo("large.jpg", large.getvalue())])
        holder.get_by_role("button", name="Enrol").press("Enter")
        expect(holder.locator("[data-report]")).to_contain_text("Enrolled; references kept: 1.")
        (sent, *_) = [one for one in world.photo_reader.seen if one != b"no picture"]
        with Image.open(BytesIO(sent)) as smaller:
            assert smaller.size == (1600, 1067)

        staff.get_by_label("Institution").select_option(STORE)
        staff.get_by_label("Staff id").fill("17")
        staff.get_by_label("Works as").select_option("pharmacist")
        staff.get_by_label("What proves it").fill("file 18")
        staff.get_by_label("Photographs").set_input_files([photo("counter.jpg", counter_jpeg())])
        staff.get_by_role("button", name="Enrol").click()
        expect(staff.locator("[data-report]")).to_contain_text("Enrolled; references kept: 1.")
        assert world.enrolment.people() == {PERSON: 1}

        page.reload()
        page.get_by_role("link", name="17", exact=True).click()
        expect(page.locator("#person")).to_have_text(f"staff:{STORE}/17")
        page.get_by_role("button", name="Erase: ").click()
        page.get_by_role("button", name="Erase", exact=True).click()
        expect(page.locator(".erased")).to_contain_text("Removed references: 1.")
        assert world.enrolment.staff.enrolled() == []
