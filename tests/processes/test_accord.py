"""What processes must have in common: settings, versions and the folder."""

import pytest
from processes.several import in_processes

from shortstack import Run
from shortstack.pipeline import accord
from shortstack.pipeline.accord import require_alike, require_shared
from shortstack.registry import Registry


@pytest.fixture(scope="module")
def registry():
    """The plugins of the environment, loaded before the processes are forked."""
    return Registry.from_environment()


def agreeing(world, registry, differs):
    """Settings, versions or plugins of process 1 differ."""
    if world.rank == 1 and differs == "versions":
        accord.version = lambda name: "0.0" if name == "numpy" else "1.0"
    elif differs == "versions":
        accord.version = lambda _: "1.0"
    run = Run(data="ml-100k", teacher="teacher", seed=1 if differs == "settings" and world.rank == 1 else 0)
    require_alike(world, run, registry)


@pytest.mark.parametrize(
    ("differs", "named"),
    [("settings", "the settings differs: digest"), ("versions", "the package numpy differs: 1.0 in")],
)
def test_other_settings_and_versions(registry, differs, named):
    """The first process says, once, what differs and where."""
    zero, one = in_processes(2, agreeing, registry, differs)

    assert zero.kind == "ConfigurationError"
    assert f"the processes of a run must agree, and {named}" in zero.message
    assert "in process 1; start all of them with the same file" in zero.message
    assert one.kind == "OtherProcessError"


def test_equal_ones(registry):
    """Nothing is said."""
    assert [None, None] == in_processes(2, agreeing, registry, "nothing")


def sharing(world, folders):
    """Every process has a folder."""
    accord.SHOWN_WITHIN = 0.0
    require_shared(world, folders[world.rank])


def test_another_folder(tmp_path):
    """A folder of the same name on another disk is refused, and no mark is left."""
    folders = [tmp_path / name for name in ("here", "there")]
    for folder in folders:
        folder.mkdir()
    zero, one = in_processes(2, sharing, folders)

    assert zero.kind == "RunFolderError"
    assert zero.message.startswith(
        f"{folders[0]} is another folder in process 1 than in process 0; name one that is on a file system"
    )
    assert one.kind == "OtherProcessError"
    assert [None, None] == in_processes(2, sharing, [folders[0], folders[0]])
    assert [] == list(tmp_path.glob("*/.*"))
