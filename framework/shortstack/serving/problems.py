"""Errors in one form: ``application/problem+json``.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shortstack.data.near_names import near_names
from shortstack.errors import EmptyDataError, NonFiniteError, ShortstackError, UnknownNameError

MEDIA_TYPE: Final = "application/problem+json"
_URN: Final = "urn:shortstack:problem:"


class ProblemError(Exception):
    """A request that gets a problem instead of an answer."""

    def __init__(self, status: int, kind: str, detail: str, **more: object) -> None:
        """Compose the problem.

        Args:
            status: HTTP status.
            kind: Last part of its ``type``, such as ``"unknown-name"``.
            detail: What is wrong, what is allowed and what to do.
            more: Members of its own.
        """
        super().__init__(detail)
        self.status, self.kind, self.detail, self.more = status, kind, detail, more

    def response(self) -> Response:
        """Return the problem as a response."""
        content = {
            "type": f"{_URN}{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return Response(json.dumps(content), self.status, headers=_HEADERS.get(self.status), media_type=MEDIA_TYPE)


_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},
    413: {"connection": "close"},
    429: {"retry-after": "1"},
    503: {"retry-after": "1"},
}


def internal_problem() -> ProblemError:
    """Return the problem for what was not foreseen; where it arose stays in the log."""
    return ProblemError(500, "internal", "the service failed at this request and goes on; its log says where")


def problem_of(error: ShortstackError) -> ProblemError:
    """Return the problem that an error of the recommender is for a client."""
    if isinstance(error, UnknownNameError):
        near = near_names(error.name, error.known)
        return ProblemError(422, "unknown-name", str(error), name=error.name, near=near)
    if isinstance(error, EmptyDataError):
        return ProblemError(422, "empty-history", str(error))
    if isinstance(error, NonFiniteError):
        return ProblemError(500, "not-finite", str(error))
    return ProblemError(422, "invalid-request", str(error))


def install_problems(app: FastAPI) -> None:
    """Let all errors of an application be problems."""
    app.add_exception_handler(ProblemError, _answered)
    app.add_exception_handler(ShortstackError, _of_recommender)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _unforeseen)


async def _answered(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 -- by its registration
    return error.response()


async def _of_recommender(_: Request, error: Exception) -> Response:
    assert isinstance(error, ShortstackError)  # noqa: S101 -- by its registration
    return problem_of(error).response()


async def _of_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- by its registration
    found = error.errors()
    if found[0]["type"].startswith("model_") and not _says_json(request):
        return ProblemError(
            415, "not-json", "the body is not named as JSON; send it with the header Content-Type: application/json"
        ).response()
    if any(one["type"] == "json_invalid" for one in found):
        return ProblemError(400, "broken-json", f"the body is not JSON: {_first_message(found)}").response()
    errors = [{"at": _place(one["loc"]), "message": _message(one)} for one in found]
    detail = "; ".join(f"{one['at']}: {one['message']}" for one in errors[:3])
    return ProblemError(422, "invalid-request", detail, errors=errors[:20]).response()


async def _of_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- by its registration
    status, headers = error.status_code, error.headers or {}
    if status == HTTPStatus.BAD_REQUEST:  # the only one is of a body that json.loads refuses otherwise than as broken
        return ProblemError(400, "broken-json", f"the body is not JSON: {_unread(error.__cause__)}").response()
    detail = {
        404: "there is no such path; GET /openapi.json names those that there are",
        405: f"this path takes {headers.get('Allow')} alone",
    }.get(status, str(error.detail))
    response = ProblemError(status, HTTPStatus(status).phrase.lower().replace(" ", "-"), detail).response()
    response.headers.update(headers)
    return response


async def _unforeseen(_: Request, _error: Exception) -> Response:
    return internal_problem().response()


def _first_message(found: Sequence[Any]) -> str:
    return str(found[0].get("ctx", {}).get("error", found[0]["msg"]))


def _unread(error: BaseException | None) -> str:
    """Return why a body cannot be read, without anything of it."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "a number has too many digits"


def _message(error: Mapping[str, Any]) -> str:
    """Return an error of pydantic, without its own words before those of a validator."""
    return str(error["ctx"]["error"] if error["type"] == "value_error" else error["msg"])


def _says_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _place(location: Sequence[object]) -> str:
    """Return where in the request something is, without the values there.

    >>> _place(("body", "histories", 0, 1))
    'histories[0][1]'
    """
    first, *rest = location[1:] or location
    return f"{first}" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
