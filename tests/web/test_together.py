from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from web.together import Together

DEADLINE_S = 10.0


class Slow:
    """Answers with the double, in calls that are held up until they are let go."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.began, self.let_go = threading.Event(), threading.Event()

    def double(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        self.began.set()
        assert self.let_go.wait(DEADLINE_S)
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def asked_while_one_is_answered(slow: Slow, numbers: Sequence[int]) -> list[object]:
    together = Together[int, int](slow.double)
    first = asyncio.create_task(together.ask(1))
    await asyncio.to_thread(slow.began.wait, DEADLINE_S)
    others = [asyncio.create_task(together.ask(number)) for number in numbers]
    await asyncio.sleep(0)
    slow.let_go.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def test_what_is_asked_while_others_are_answered_is_answered_by_one_call() -> None:
    slow = Slow()
    assert asyncio.run(asked_while_one_is_answered(slow, [2, 3, 4])) == [2, 4, 6, 8]
    assert slow.calls == [[1], [2, 3, 4]]


def test_a_failure_is_raised_for_each_who_asked_and_for_nobody_after() -> None:
    async def ask() -> None:
        slow = Slow()
        first, *others = await asked_while_one_is_answered(slow, [2, 13])
        assert first == 2
        assert [type(one) for one in others] == [ValueError, ValueError]
        assert await Together[int, int](slow.double).ask(5) == 10

    asyncio.run(ask())


def test_one_that_gave_up_takes_no_answer_from_the_others() -> None:
    async def ask() -> None:
        slow = Slow()
        together = Together[int, int](slow.double)
        first, other = (asyncio.create_task(together.ask(number)) for number in (1, 2))
        await asyncio.to_thread(slow.began.wait, DEADLINE_S)
        first.cancel()
        slow.let_go.set()
        assert await other == 4
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await together.ask(3) == 6

    asyncio.run(ask())
