from __future__ import annotations

import asyncio
import threading

from web.feed import MAX_PENDING, Broadcast
from web.ports import LiveChange


def change(alert_id: str, institution_id: str = "P1") -> LiveChange:
    return LiveChange(alert_id=alert_id, institution_id=institution_id)


def test_an_ear_hears_its_institutions_and_no_others() -> None:
    async def listen() -> None:
        feed = Broadcast()
        async with feed.subscribe(["P1", "P3"]) as some, feed.subscribe(None) as everything:
            feed.publish([change("a", "P1"), change("b", "P2"), change("c", "P3")])
            assert await some.wait(5) == frozenset({"a", "c"})
            assert await everything.wait(5) == frozenset({"a", "b", "c"})

    asyncio.run(listen())


def test_what_happens_between_two_waits_is_heard_at_the_next() -> None:
    async def listen() -> None:
        feed = Broadcast()
        async with feed.subscribe(None) as ear:
            feed.publish([change("a")])
            assert await ear.wait(5) == frozenset({"a"})
            assert await ear.wait(0.01) == frozenset()
            feed.publish([change("b")])
            feed.publish([change("c")])
            await asyncio.sleep(0)
            assert await ear.wait(5) == frozenset({"b", "c"})

    asyncio.run(listen())


def test_a_change_from_another_thread_wakes_the_ear() -> None:
    async def listen() -> None:
        feed = Broadcast()
        async with feed.subscribe(None) as ear:
            thread = threading.Thread(target=feed.publish, args=([change("a")],))
            thread.start()
            assert await ear.wait(5) == frozenset({"a"})
            thread.join()

    asyncio.run(listen())


def test_a_reader_that_never_asks_holds_a_bounded_number_of_ids_and_delays_nobody() -> None:
    async def listen() -> None:
        feed = Broadcast()
        async with feed.subscribe(None) as idle, feed.subscribe(None) as quick:
            for number in range(3 * MAX_PENDING):
                feed.publish([change(str(number))])
                assert await quick.wait(5) == frozenset({str(number)})
            heard = await idle.wait(5)
            assert heard is not None
            assert len(heard) == MAX_PENDING

    asyncio.run(listen())


def test_closing_ends_every_ear_and_each_one_opened_later() -> None:
    async def listen() -> None:
        feed = Broadcast()
        async with feed.subscribe(["P1"]) as ear:
            feed.close()
            assert await ear.wait(5) is None
        async with feed.subscribe(None) as late:
            assert await late.wait(5) is None

    asyncio.run(listen())


def test_publishing_with_nobody_there_or_after_the_loop_has_gone_is_nothing() -> None:
    feed = Broadcast()
    feed.publish([change("a")])

    async def listen() -> None:
        async with feed.subscribe(None):
            pass

    asyncio.run(listen())
    feed.publish([change("b")])
    feed.close()
