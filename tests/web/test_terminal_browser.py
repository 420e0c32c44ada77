"""The store's terminal in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from storage.queries.alerts import AlertQueries
from tests.alerts.builders import PERSON
from tests.web.browsing import Complaints, check_layout, log_in, mismatch, open_terminal, press_until, window
from tests.web.world import World, poll, serving

pytestmark = pytest.mark.browser


def test_a_terminal_that_was_off_line_says_so_and_gets_what_it_missed_once(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("ERR_INTERNET_DISCONNECTED",)
    with window(browser, complaints) as (context, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        expect(till.locator(".row")).to_have_count(1)
        context.set_offline(True)
        expect(till.locator("#offline")).to_be_visible()
        world.raise_alert("nobody_at_counter")
        world.raise_alert("frequent_purchase")
        context.set_offline(False)
        expect(till.locator(".row")).to_have_count(3)
        expect(till.locator("#offline")).to_be_hidden()
        expect(till.locator(".queue")).to_contain_text("2 more")
        notice = till.locator(".notice")
        for answered in range(3):
            notice.get_by_role("button", name="收到").click()
            notice.get_by_role("button", name="已核对").click()
            expect(till.locator(".row.is-answered")).to_have_count(answered + 1)
        expect(till.get_by_text("All clear")).to_be_visible()


def test_more_pages_than_a_browser_has_connections_all_get_a_reminder(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (context, wall):
        log_in(wall, address)
        pages = [context.new_page() for _ in range(8)]
        for page in pages:
            complaints.listen(page)
            open_terminal(page, address, world.terminal)
        mismatch(world)
        for page in pages:
            expect(page.locator(".row")).to_have_count(1)
        expect(wall.locator(".card")).to_have_count(1)
        pages[0].close()
        mismatch(world)
        for page in pages[1:]:
            expect(page.locator(".row")).to_have_count(2)


def test_pages_of_one_terminal_that_know_different_things_leave_each_other_in_peace(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("ERR_FAILED",)
    with window(browser, complaints) as (context, till):
        behind = context.new_page()
        behind.route("**/terminal/stream**", lambda route: route.abort())
        behind.goto(f"{address}/terminal/login#pair={world.terminal}")
        expect(behind.locator("#offline")).to_be_visible()
        open_terminal(till, address, world.terminal)
        mismatch(world)
        expect(till.locator(".row")).to_have_count(1)
        heard = till.evaluate(
            """() => new Promise((resolve) => {
              let heard = 0;
              addEventListener("storage", () => { heard += 1; });
              setTimeout(() => resolve(heard), 1000);
            })"""
        )
        assert heard < 10


def test_what_another_terminal_answered_meanwhile_is_known_after_coming_back(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("ERR_INTERNET_DISCONNECTED",)
    with window(browser, complaints) as (context, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        expect(till.locator(".notice")).to_be_visible()
        context.set_offline(True)
        expect(till.locator("#offline")).to_be_visible()
        alert_id = AlertQueries(world.database).recent_alerts(1)[0].alert_id
        world.projector.answer(alert_id, "other-screen", "checked", "", world.clock_ms())  # nobody is told
        context.set_offline(False)
        expect(till.get_by_text("All clear")).to_be_visible()
        expect(till.locator(".row.is-answered")).to_have_count(1)


def test_a_terminal_survives_a_restart_of_the_product(
    browser: Browser, complaints: Complaints, data: Path, world: World
) -> None:
    complaints.expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
    with window(browser, complaints) as (_, till):
        with serving(world) as address:
            open_terminal(till, address, world.terminal)
            mismatch(world)
            till.get_by_role("button", name="收到").click()
        expect(till.locator("#offline")).to_be_visible()
        world.raise_alert("nobody_at_counter")
        again = World(data)
        with serving(again, port=int(address.rpartition(":")[2])):
            expect(till.locator(".row")).to_have_count(2, timeout=20_000)
            expect(till.locator("#live")).to_have_attribute("data-live", "connected")
            expect(till.get_by_role("button", name="已核对")).to_be_visible()
            till.get_by_role("button", name="已核对").click()
            expect(till.locator(".notice")).to_contain_text("柜台前无人")
            till.close()
        again.close()


def test_a_withdrawn_reminder_is_taken_off_the_screen_with_a_word(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        found = mismatch(world)
        expect(till.locator(".notice")).to_contain_text("购药人")
        world.withdraw(found)
        expect(till.locator(".notice.gone")).to_contain_text("已撤回")
        till.get_by_role("button", name="收到").click()
        expect(till.get_by_text("All clear")).to_be_visible()
        expect(till.locator(".row.is-withdrawn")).to_have_count(1)


def test_an_answer_can_wait_and_is_taken_up_from_the_list(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="稍后答复").click()
        expect(till.get_by_text("1 still to answer")).to_be_visible()
        till.locator(".row button").click()
        till.get_by_role("button", name="设备故障").click()
        expect(till.locator(".row")).to_contain_text("Device fault")


def test_what_did_not_arrive_is_sent_again_until_it_does(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("503",)
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        till.route("**/v1/terminal/alerts/**", lambda route: route.fulfill(status=503, body="{}"))
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="已核对").click()
        expect(till.locator(".row")).to_contain_text("to be sent")
        till.unroute("**/v1/terminal/alerts/**")
        expect(till.locator(".row.is-answered")).to_contain_text("Checked", timeout=15_000)
    assert actions(world) == ["open", "deliver", "acknowledge", "answer"]


def actions(world: World) -> list[str]:
    """What happened to the newest alert, in order; that it was shown is left out."""
    queries = AlertQueries(world.database)
    dossier = queries.dossier(queries.recent_alerts(1)[0].alert_id)
    assert dossier
    return [entry.action for entry in dossier.history if entry.action != "see"]


@pytest.mark.parametrize("reload", [False, True], ids=["page stays", "page reloaded"])
def test_an_answer_given_off_line_is_kept_and_arrives_once(
    browser: Browser, complaints: Complaints, world: World, address: str, *, reload: bool
) -> None:
    complaints.expected = ("ERR_INTERNET_DISCONNECTED",)
    with window(browser, complaints) as (context, till):
        open_terminal(till, address, world.terminal)
        till.wait_for_function("() => navigator.serviceWorker.controller && caches.keys().then((k) => k.length)")
        mismatch(world)
        expect(till.locator(".notice")).to_be_visible()
        poll(lambda: till.evaluate("caches.match('/terminal' + location.search).then(Boolean)"))
        context.set_offline(True)
        if reload:
            till.reload()
        expect(till.locator("#offline")).to_contain_text("Off-line")
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="其他说明").click()
        till.get_by_role("textbox", name="Something else").fill("稍后补录")
        till.get_by_role("button", name="发送").click()
        expect(till.locator(".row")).to_contain_text("to be sent")
        expect(till.locator("#unsent")).to_contain_text("2 kept on this device")
        if reload:
            till.reload()
            expect(till.locator(".row")).to_contain_text("to be sent")
        context.set_offline(False)
        expect(till.locator(".row.is-answered")).to_contain_text("Other", timeout=20_000)
        expect(till.locator("#offline")).to_be_hidden()
        till.reload()
        expect(till.locator("#live")).to_have_attribute("data-live", "connected")
        expect(till.locator(".notice")).to_have_count(0)
    assert actions(world) == ["open", "deliver", "acknowledge", "answer"]


def test_answer_later_is_remembered_over_a_reload(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="稍后答复").click()
        expect(till.get_by_text("1 still to answer")).to_be_visible()
        poll(lambda: "acknowledge" in actions(world))
        till.reload()
        expect(till.get_by_text("1 still to answer")).to_be_visible()
        expect(till.locator(".notice")).to_have_count(0)


def test_a_number_that_cannot_be_right_is_said_at_once_and_the_holders_own_by_the_product(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    complaints.expected = ("422",)
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        till.get_by_role("button", name="收到").click()
        till.get_by_role("button", name="已补登记代购人").click()
        number = till.get_by_role("textbox", name="Number")
        expect(number).to_be_focused()
        number.fill("32990019800101001X")
        till.get_by_role("button", name="登记代购人 Register").click()
        expect(till.locator(".failed")).to_contain_text("This number cannot be right")
        till.get_by_label("Insured person’s number").check()
        number.fill(PERSON)
        number.press("Enter")
        expect(till.locator(".failed")).to_contain_text("the card holder’s own number")
    assert actions(world) == ["open", "deliver", "acknowledge"]


def test_the_screen_is_worked_by_keyboard_alone_and_a_scanners_enter_answers_nothing(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        expect(till.locator(".notice")).to_be_visible()
        till.keyboard.type("6901234567892\n")
        expect(till.get_by_role("button", name="收到")).to_be_visible()
        press_until(till, "收到")
        press_until(till, "已核对")
        expect(till.locator(".row.is-answered")).to_have_count(1)


def test_sound_comes_with_the_first_touch_and_can_be_muted(
    browser: Browser, complaints: Complaints, world: World, address: str
) -> None:
    with window(browser, complaints) as (_, till):
        open_terminal(till, address, world.terminal)
        expect(till.locator("#sound")).to_contain_text("Touch the screen for sound")
        till.get_by_text("All clear").click()
        expect(till.locator("#sound")).to_contain_text("Sound is on")
        till.locator("#sound").click()
        expect(till.locator("#sound")).to_contain_text("Muted")
        till.reload()
        till.get_by_text("All clear").click()
        expect(till.locator("#sound")).to_contain_text("Muted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1366, 768), (768, 1024), (390, 844)], ids=["till", "tablet", "phone"])
def test_every_step_fits_the_screen_and_can_be_read(
    browser: Browser, complaints: Complaints, world: World, address: str, scheme: str, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    with window(browser, complaints, viewport=viewport, color_scheme=scheme) as (_, till):
        open_terminal(till, address, world.terminal)
        mismatch(world)
        gone = mismatch(world)
        for button, step in (
            ("收到", "noting"),
            ("已补登记代购人", "agent"),
            ("取消", "answering"),
            ("其他说明", "other"),
        ):
            expect(till.get_by_role("button", name=button).first).to_be_visible()
            check_layout(till, step)
            till.get_by_role("button", name=button).first.click()
        till.get_by_role("button", name="取消").click()
        till.get_by_role("button", name="已核对").click()
        expect(till.locator(".row.is-answered")).to_have_count(1)
        world.withdraw(gone)
        expect(till.locator(".gone")).to_be_visible()
        check_layout(till, "withdrawn")
