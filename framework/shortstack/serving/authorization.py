"""Authorization: only requests with the service's bearer token are answered, if it has one."""

import hmac
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from shortstack.serving.problems import ProblemError

OPEN: Final = frozenset({"/", "/health", "/ready"})
"""Paths without a secret, for probes and for the page, which asks for the token itself."""


def with_token(app: ASGIApp, token: str | None) -> ASGIApp:
    """Return an application that answers only who brings a bearer token; all if there is none."""
    if token is None:
        return app
    expected = token.encode()

    async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, given = dict(scope.get("headers", ())).get(b"authorization", b"").partition(b" ")
        # compared in constant time: how long it takes tells nothing of the token
        right = hmac.compare_digest(given, expected) and scheme.lower() == b"bearer"
        if right or scope["type"] != "http" or scope["path"] in OPEN:
            await app(scope, receive, send)
            return
        problem = ProblemError(
            401, "unauthorized", "send the service's token in the header Authorization: Bearer TOKEN"
        )
        await problem.response()(scope, receive, send)

    return admitted
