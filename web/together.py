"""What hundreds of open pages ask at one moment, asked of the database once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from fastapi.concurrency import run_in_threadpool

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Together(Generic[Question, Answer]):
    """Answers the questions that come while it is answering with the next call. To be used on one event loop.

    A page that asks occupies no thread, so that those who wait for the database hold up nobody else.
    """

    def __init__(self, answers_to: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        """Args: `answers_to` gives one answer to each question; called in a thread, never twice at a time."""
        self._answers_to = answers_to
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._work: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """Returns the answer. Raises: what `answers_to` raised, as everybody who was asked for with it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._work is None:
            self._work = asyncio.create_task(self._answer_all())
        return await future

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
        finally:
            self._work = None

    async def _answer(self, asked: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await run_in_threadpool(self._answers_to, [question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 - it is raised for each of those who asked
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():  # a page that was closed meanwhile
                future.set_result(answer)
