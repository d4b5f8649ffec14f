"""Bodies of requests: received whole before a route sees them, within a limit of bytes and of seconds."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shortstack.serving.limits import Limits
from shortstack.serving.problems import ProblemError


def with_whole_bodies(app: ASGIApp, limits: Limits) -> ASGIApp:
    """Return an application that gets a body when all of it is there, if it is small enough and in time."""

    async def received(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        try:
            body = await _whole(scope, receive, limits)
        except ProblemError as problem:
            await problem.response()(scope, receive, send)
            return
        if body is not None:
            await app(scope, _replayed(body, receive), send)

    return received


async def _whole(scope: Scope, receive: Receive, limits: Limits) -> bytes | None:
    """Return the body; None if the client left.

    The rest of a body that is too large is read and thrown away: a client that still sends would not see the answer.
    """
    too_large = ProblemError(413, "too-large", f"a body may have {limits.body} bytes; send fewer histories at a time")
    headers = dict(scope["headers"])
    declared = int(headers.get(b"content-length", b"0"))
    if declared > limits.body and b"expect" in headers:  # the client waits for an answer, and has sent nothing
        raise too_large
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(limits.timeout_s):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part = message.get("body", b"")
                size += len(part)
                if size <= limits.body:
                    body += part
                more = message.get("more_body", False)
    except TimeoutError as error:
        if size > limits.body:
            raise too_large from error
        raise ProblemError(
            408, "slow-body", f"the body did not arrive within {limits.timeout_s:g} seconds; send it again"
        ) from error
    if size > limits.body:
        raise too_large
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a whole body, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received
