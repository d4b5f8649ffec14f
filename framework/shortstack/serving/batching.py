"""Questions that arrive together are computed together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

import attrs

from shortstack.serving.limits import Limits
from shortstack.serving.problems import ProblemError

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@attrs.frozen(kw_only=True, eq=False)
class _Waiting(Generic[Question, Answer]):
    question: Question
    answer: "asyncio.Future[Answer]"


class Batcher(Generic[Question, Answer]):
    """A bounded queue of questions; those that wait at the same time are answered in one call.

    Lives in one event loop; the calls are made in threads.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Question]], Sequence[Answer]],
        *,
        limits: Limits,
        threads: Executor,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Make an empty queue.

        Args:
            compute: Answers of several questions, in their order.
            limits: Its ``batch``, ``window_ms``, ``waiting`` and ``timeout_s`` count.
            threads: Where ``compute`` runs.
            observe: Called with the size of every batch.
        """
        self._compute, self._limits, self._threads, self._observe = compute, limits, threads, observe
        self._queue: asyncio.Queue[_Waiting[Question, Answer]] = asyncio.Queue()
        self._gathering = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Number of questions in the queue."""
        return self._queue.qsize()

    def start(self, workers: int) -> None:
        """Compute up to ``workers`` batches at the same time."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(workers)]

    async def stop(self) -> None:
        """End the work; questions that still wait are never answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers of some questions, which may be computed with those of others.

        Raises:
            ProblemError: The queue has no room (429), or the answers take too long (503).
        """
        if self.waiting + len(questions) > self._limits.waiting:
            raise ProblemError(
                429, "busy", f"{self.waiting} histories wait and at most {self._limits.waiting} may; ask again later"
            )
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(question=question, answer=loop.create_future()) for question in questions]
        for one in waiting:
            self._queue.put_nowait(one)
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return list(await asyncio.gather(*(one.answer for one in waiting)))
        except TimeoutError as error:
            raise ProblemError(
                503, "late", f"there was no answer within {self._limits.timeout_s:g} seconds; ask again later"
            ) from error

    async def _work(self) -> None:
        while True:
            async with self._gathering:
                batch = await self._gathered()
            wanted = [one for one in batch if not one.answer.done()]  # the others took too long
            if wanted:
                await self._answer(wanted)

    async def _gathered(self) -> list[_Waiting[Question, Answer]]:
        """Return the next questions: the first, and those that come within the window."""
        batch = [await self._queue.get()]
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.window_ms / 1000
        while len(batch) < self._limits.batch:
            if not self._queue.empty():  # a time-out for each question costs more than the question
                batch.append(self._queue.get_nowait())
                continue
            try:
                async with asyncio.timeout_at(end):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    async def _answer(self, batch: Sequence[_Waiting[Question, Answer]]) -> None:
        self._observe(len(batch))
        questions = [one.question for one in batch]
        outcomes = await asyncio.get_running_loop().run_in_executor(self._threads, self._outcomes, questions)
        for one, outcome in zip(batch, outcomes, strict=True):
            if one.answer.done():
                continue
            if isinstance(outcome, Exception):
                one.answer.set_exception(outcome)
            else:
                one.answer.set_result(outcome)

    def _outcomes(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """Return answers; where a batch fails, of each question alone, so that one does not spoil the others'."""
        try:
            return list(self._compute(questions))
        except Exception as error:  # noqa: BLE001 -- of whatever kind, it goes to who asked
            return [error] if len(questions) == 1 else [self._outcomes([one])[0] for one in questions]
