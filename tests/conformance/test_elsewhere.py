"""Another machine within one process, and components with their settings away from the defaults."""

import locale
import os
import time
from contextlib import suppress
from datetime import datetime
from typing import Literal

import attrs
from mutants.losses.plain import Plain, Tempered, loss

from shortstack.contracts import Output
from shortstack.testing.elsewhere import elsewhere
from shortstack.testing.subject import subject_of
from shortstack.testing.variants import other_values, variants


def seen():
    """Return everything that differs inside ``elsewhere``."""
    return (
        hash("a"),
        hash(("a", 1)),
        datetime(2020, 1, 1).timestamp(),  # noqa: DTZ001 -- naive on purpose
        locale.getencoding(),
        os.getcwd(),  # noqa: PTH109 -- a plugin may call it
    )


class TestElsewhere:
    """``elsewhere``."""

    def test_everything_is_another_one_inside_and_as_before_afterwards(self):
        """Hash salt, time zone, locale and working directory change inside and are restored."""
        before = seen()
        with elsewhere():
            inside = seen()

        assert [outside == other for outside, other in zip(before, inside, strict=True)] == [False] * len(before)
        assert inside[2] == datetime(2020, 1, 1).timestamp() - (5 * 60 + 45) * 60 - time.timezone  # noqa: DTZ001
        assert seen() == before

    def test_numbers_hash_as_ever(self):
        """Hashes of numbers stay the same: Python salts those of strings alone."""
        with elsewhere():
            assert (hash(7), hash(0.5)) == (7, hash(0.5))

    def test_older_sets_hold_what_they_held(self):
        """Members of an enumeration hash by their names; a loss that looks into what it needs still finds it."""
        needs = frozenset({Output.STUDENT_LOGITS})
        with elsewhere():
            assert Output.STUDENT_LOGITS in needs

    def test_afterwards_all_is_as_before_even_if_something_goes_wrong(self):
        """A law that fails inside leaves no other zone behind."""
        before = seen()
        with suppress(KeyError), elsewhere():
            _ = {}["nothing"]

        assert seen() == before


@attrs.frozen(kw_only=True)
class Several:
    """Settings of each sort."""

    amount: float = 2.0
    count: int = 3
    none: int = 0
    switch: bool = False
    distance: Literal["cosine", "mse"] = "cosine"
    limit: float | None = 1.0
    unset: int | None = None
    text: str = "user"


class TestVariants:
    """``variants``."""

    def test_one_setting_at_a_time(self):
        """Near the default; what is unset takes a value of its type; texts have no neighbours."""
        subject = subject_of(loss("several", lambda _: Plain(call=None), config=Several))

        assert [dict(variant.settings) for variant in variants(subject)] == [
            {"amount": 3.0},
            {"amount": 1.0},
            {"count": 4},
            {"count": 2},
            {"none": 1},
            {"switch": True},
            {"distance": "mse"},
            {"limit": 1.5},
            {"limit": 0.5},
            {"limit": None},
            {"unset": 1},
            {"unset": 2},
        ]

    def test_what_was_given_stays(self):
        """Given settings stay; settings that cannot be built are left out: soft-targets takes no temperature of 0."""
        assert variants(subject_of("soft-targets", settings={"temperature": 4.0})) == []
        assert list(other_values(float, 0.0)) == [0.5]

    def test_values_that_are_refused_are_left_out(self):
        """The config refuses them as it would a user's."""

        def build(settings):
            if settings.temperature > 2:
                raise ValueError("too hot")
            return Plain(call=None)

        subject = subject_of(loss("cold", build, config=Tempered))

        assert [dict(variant.settings) for variant in variants(subject)] == [{"temperature": 1.0}]
