"""Third-party distributions for ``importlib.metadata``: modules beside a ``.dist-info`` folder, no installer."""

from pathlib import Path
from textwrap import dedent

HERE = Path(__file__).parent
HOOKIMPL = "from shortstack.hooks import hookimpl\n"


def install(site, name, source, *, version="1.0", entry_point="main", metadata=None):
    """Put a distribution into a folder: one module, and one entry point that names it.

    Args:
        site: The folder; it must be on the path for the distribution to be found.
        name: The distribution's; the module's with ``_`` for ``-``.
        source: The module's.
        version: The distribution's.
        entry_point: The entry point's name, or None for a damaged list of entry points.
        metadata: The text of its metadata; None for valid ones.
    """
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" if metadata is None else metadata
    (info / "METADATA").write_text(text, encoding="utf-8")
    points = f"{entry_point} = {module}\n" if entry_point else "main\n"
    (info / "entry_points.txt").write_text(f"[shortstack]\n{points}", encoding="utf-8")


def install_file(site, name, *, version):
    """Put a distribution into a folder, whose module is a file beside this one."""
    source = (HERE / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    install(site, name, source, version=version)


LISTING = HOOKIMPL + (
    "from shortstack.contracts import ScorerDescriptor\n"
    "def offered(name, **more):\n"
    "    return ScorerDescriptor(name=name, summary='made up', build=lambda config: config, **more)\n"
    "@hookimpl\n"
    "def shortstack_importance_scorers():\n"
)
"""The start of a module that lists scorers; what it yields comes next, indented."""

BROKEN = {
    "import-error": ("import no_such_module_at_all\n", "import", "ModuleNotFoundError: No module named 'no_such_mod"),
    "import-exit": ("import sys\nsys.exit(3)\n", "import", "SystemExit: 3"),
    "import-cancel": ("class Cancel(BaseException): pass\nraise Cancel('now')\n", "import", "Cancel: now"),
    "import-lines": ("raise ValueError('one\\ntwo')\n", "import", "ValueError: one two"),
    "import-mute": (
        "class Mute(Exception):\n    def __str__(self): raise KeyError\nraise Mute\n",
        "import",
        "Mute: (its message cannot be shown)",
    ),
    "misspelt-hook": (
        LISTING.replace("_scorers():", "_scorer():") + "    yield offered('a')\n",
        "register",
        "there is no hook 'shortstack_importance_scorer'; did you mean 'shortstack_importance_scorers'?",
    ),
    "misspelt-plain": (
        "def shortstack_studens(): return ()\n",
        "register",
        "'shortstack_studens' looks like a misspelt hook; did you mean 'shortstack_students'?",
    ),
    "unmarked": (
        "def shortstack_losses(): return ()\n",
        "register",
        "'shortstack_losses' is not marked as a hook; write @shortstack.hookimpl above it",
    ),
    "no-hook": ("GREETING = 'hello'\n", "register", "it has no hook, so it offers nothing"),
    "extra-argument": (
        LISTING.replace("_scorers():", "_scorers(config):") + "    yield offered('a')\n",
        "register",
        "Argument(s) {'config'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "wrong-type": (
        LISTING + "    from shortstack.contracts import LossDescriptor\n"
        "    yield LossDescriptor(name='a', summary='made up', build=print)\n",
        "list",
        "TypeError: shortstack_importance_scorers must yield ScorerDescriptor objects, got LossDescriptor",
    ),
    "halfway": (
        LISTING + "    yield offered('half')\n    raise RuntimeError('halfway')\n",
        "list",
        "RuntimeError: halfway",
    ),
    "exit-halfway": (LISTING + "    yield offered('half')\n    raise SystemExit('bye')\n", "list", "SystemExit: bye"),
    "bad-name": (
        LISTING + "    yield offered('Two Words')\n",
        "list",
        "lower-case words joined by '-', got 'Two Words'",
    ),
    "bad-summary": (
        LISTING + "    yield ScorerDescriptor(name='a', summary=3, build=print)\n",
        "list",
        "'summary' must be <class 'str'>",
    ),
    "bad-former-names": (
        LISTING + "    yield offered('a', former_names='bcd')\n",
        "list",
        "'former_names' must be <class 'tuple'>",
    ),
    "bad-settings": (
        "import attrs\n@attrs.frozen\nclass Sizes:\n    width: 'Nowhere' = 3\n"
        + LISTING
        + "    yield offered('a', config=Sizes)\n",
        "list",
        "TypeError: the settings Sizes have an annotation that cannot be read: name 'Nowhere' is not defined; import it",
    ),
    "no-traits": (
        LISTING + "    yield offered('a', traits=None)\n",
        "list",
        "'traits' must be <class 'shortstack.contracts.traits.ScorerTraits'>",
    ),
    "odd-trait": (
        LISTING + "    from shortstack.contracts import ScorerTraits\n"
        "    yield offered('a', traits=ScorerTraits(averages_over='token'))\n",
        "list",
        "'averages_over' must be in ('examples', 'tokens', 'queries', 'batches', 'nothing') (got 'token')",
    ),
    "no-default": (
        "import attrs\n@attrs.frozen\nclass Sizes:\n    width: int\n"
        + LISTING
        + "    yield offered('a', config=Sizes)\n",
        "list",
        "every setting needs a default, and Sizes.width has none",
    ),
    "own-clash": (
        LISTING + "    yield offered('a')\n    yield offered('b', former_names=('a',))\n",
        "list",
        "importance scorer 'own-clash/a' is offered twice, the first time by own-clash:main 1.0",
    ),
}
"""Distribution → its module, the stage at which it fails, and what is said of it."""


def install_broken(site):
    """Install every distribution of ``BROKEN``."""
    for name, (source, _, _) in BROKEN.items():
        install(site, name, source)
