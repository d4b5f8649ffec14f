"""Origin of a plugin, and the forms of a distribution's name that installers treat as equal."""

import re

import attrs


@attrs.frozen(order=True)
class Origin:
    """Origin of a plugin.

    Attributes:
        distribution: The installed distribution, for example ``"shortstack"``.
        entry_point: The entry point's name within it.
        version: The distribution's version.
    """

    distribution: str
    entry_point: str
    version: str

    @property
    def id(self) -> str:
        """``distribution:entry_point``, unique in an environment."""
        return f"{self.distribution}:{self.entry_point}"

    @property
    def ids(self) -> frozenset[str]:
        """Ids by which ``SHORTSTACK_PLUGINS`` may name it: its own and its distribution's, also normalised."""
        return frozenset({normal_id(self.id), normal_id(self.distribution)})

    def __str__(self) -> str:
        return f"{self.id} {self.version}"


def normal_id(text: str) -> str:
    """Return an id with its distribution's name normalised as in PEP 503: ``My_Plugin:x`` becomes ``my-plugin:x``."""
    distribution, separator, point = text.partition(":")
    return f"{normal_name(distribution)}{separator}{point}"


def normal_full_name(name: str) -> str:
    """Return a full name with its distribution's name normalised: installers take ``My_Plugin`` for ``my-plugin``."""
    distribution, separator, component = name.partition("/")
    return f"{normal_name(distribution)}{separator}{component}"


def normal_name(distribution: str) -> str:
    """Return a distribution's name normalised as in PEP 503."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
