"""What the service takes, so that no request can make it slow for the others."""

from math import inf
from typing import Any

import attrs

from shortstack.errors import ConfigurationError


def _positive(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if not 0 < value < inf:
        raise ConfigurationError(f"{attribute.name} must be above 0 and finite, got {value!r}")


@attrs.frozen(kw_only=True)
class Limits:
    """Limits of the service; a request beyond one is refused with its name.

    Attributes:
        body: Bytes of a request's body.
        histories: Number of histories in a request.
        history: Number of items in a history.
        candidates: Number of candidates in a request.
        categories: Number of categories in a request.
        k: Number of items to recommend.
        batch: Histories that are computed together; 1 computes each alone.
        window_ms: Time that the first history of a batch waits for others, in milliseconds.
        waiting: Number of histories that wait; when there are more, requests are refused with 429.
        timeout_s: Time for a body to arrive, and then for its answer, in seconds.
        connections: Number of open connections; most systems let a process have 1,024 files and connections.
    """

    body: int = attrs.field(default=1_000_000, validator=_positive)
    histories: int = attrs.field(default=64, validator=_positive)
    history: int = attrs.field(default=1_000, validator=_positive)
    candidates: int = attrs.field(default=10_000, validator=_positive)
    categories: int = attrs.field(default=1_000, validator=_positive)
    k: int = attrs.field(default=1_000, validator=_positive)
    batch: int = attrs.field(default=32, validator=_positive)
    window_ms: float = attrs.field(default=2.0, validator=_positive)
    waiting: int = attrs.field(default=256, validator=_positive)
    timeout_s: float = attrs.field(default=10.0, validator=_positive)
    connections: int = attrs.field(default=800, validator=_positive)
