"""What the service tells of its work: counts, and a line of JSON for each request, without what users had."""

import json
import logging
import traceback
from collections.abc import Collection
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shortstack.serving.metrics import Metrics
from shortstack.serving.problems import internal_problem

LOGGER: Final = logging.getLogger("shortstack.serving")


class JsonLines(logging.Formatter):
    """Records as lines of JSON; of an exception only its kind and where it arose, for its text may hold a history."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **vars(record).get("fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            fields |= _place_of(record.exc_info[1])
        return json.dumps(fields)


def _place_of(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "at": [f"{one.filename}:{one.lineno} {one.name}" for one in frames]}


def observed(app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> ASGIApp:
    """Return an application whose requests are counted and logged, and that outlives its own errors.

    Args:
        app: The application.
        metrics: Where requests are counted.
        paths: Paths of the routes; all others count as ``other``, because a client chooses them.
    """

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begin, status = perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"] if scope["path"] in paths else "other"
        try:
            await app(scope, receive, noted)
        except Exception:
            LOGGER.exception("request failed", extra={"fields": {"path": path}})
            if not status:
                await internal_problem().response()(scope, receive, noted)
        if not status:  # the client left before its body was there
            return
        seconds = perf_counter() - begin
        metrics.add_request(path, status, seconds)
        fields = {"method": scope["method"], "path": path, "status": status, "ms": round(1000 * seconds, 2)}
        LOGGER.info("request", extra={"fields": fields})

    return watched
