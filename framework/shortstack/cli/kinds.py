"""Words for kinds on the command line, singular or plural."""

from shortstack.cli.built_ins import CHOICES
from shortstack.errors import UnknownNameError
from shortstack.registry import KINDS, Kind


def choice_named(text: str) -> str:
    """Return the singular of a plural kind.

    >>> choice_named("strategies"), choice_named("metrics"), choice_named("split")
    ('strategy', 'metric', 'split')
    """
    return next((kind for kind in CHOICES if text in {kind, f"{kind}s", f"{kind[:-1]}ies"}), text)


def kind_named(text: str) -> Kind:
    """Return the kind of components that a word on the command line refers to.

    Raises:
        UnknownNameError: There is no such kind.
    """
    for kind in KINDS:
        if text in {kind, f"{kind}s"}:
            return kind
    raise UnknownNameError("kind of component", text, (*KINDS, *CHOICES))
