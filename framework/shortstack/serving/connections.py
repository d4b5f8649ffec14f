"""Connections that ask for nothing are closed, and those beyond the limit: they would keep everybody else out."""

import asyncio
from http import HTTPStatus
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from shortstack.serving.problems import ProblemError

_REFUSED: Final = 50
"""Number of connections beyond the limit that are answered at a time; more are closed without a word."""
_PATIENCE_S: Final = 1.0
"""Seconds for a refused client to send its request: an answer may be lost if the connection is closed before it is read."""
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 20\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\nToo many connections"
)


class _Timed(H11Protocol):
    _timeout_s: ClassVar[float]
    _most: ClassVar[int]
    _refused: ClassVar[set[H11Protocol]]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._refuse()
        else:
            self._expect_a_head()

    def data_received(self, data: bytes) -> None:
        if self in self._refused:
            self.transport.close()
        else:
            super().data_received(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._refused.discard(self)
        self._forget()

    def _refuse(self) -> None:
        self.connections.discard(self)
        if len(self._refused) >= _REFUSED:
            self.transport.abort()
            return
        self._refused.add(self)
        self.transport.write(_FULL)
        self._timer = self.loop.call_later(_PATIENCE_S, self.transport.close)

    def _expect_a_head(self) -> None:
        self._forget()
        self._timer = self.loop.call_later(self._timeout_s, self._end_if_idle)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end_if_idle(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:  # part of a head: a client waits for an answer
            self.transport.write(_late_head(self._timeout_s))
        self.transport.close()


def timed_connections(timeout_s: float, most: int) -> type[H11Protocol]:
    """Return uvicorn's protocol, for so many connections, on each of which a request's head must be there in time.

    uvicorn itself waits for ever for the first head, and for the rest of one that has begun; and while there are more
    connections than its own limit it refuses the requests of all of them.

    Args:
        timeout_s: Seconds from the connection, or from the last answer, until a whole head is there.
        most: Largest number of connections.
    """

    class Timed(_Timed):
        _timeout_s, _most, _refused = timeout_s, most, set()

    return Timed


def _late_head(timeout_s: float) -> bytes:
    """Return a whole answer for a head that is not whole."""
    problem = ProblemError(408, "slow-head", f"the request did not begin within {timeout_s:g} seconds; send it again")
    response = problem.response()
    lines = [f"HTTP/1.1 408 {HTTPStatus(408).phrase}", *(f"{k}: {v}" for k, v in response.headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + bytes(response.body)
