"""The meaning of each setting in a run's file, from the docstrings and summaries that the reference is made from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shortstack.config.described import all_settings
from shortstack.config.descriptions import describe_settings
from shortstack.tasks import task_of

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry


def meanings_of(run: "RunConfig", registry: "Registry") -> Mapping[str, str]:
    """Return dotted path → meaning: of every setting of a run, and of those that its adapter, task and losses bring."""
    classes = {
        "data.settings": registry.find("dataset", str(run.data.adapter)).descriptor.config,
        "task.settings": type(task_of(run.task)),
    }
    return {
        **{setting.path: setting.meaning for setting in all_settings()},
        **{
            f"{table}.{one['name']}": one["meaning"] for table, cls in classes.items() for one in describe_settings(cls)
        },
        **{
            f"distillation.losses.{name}": registry.find("loss", name).descriptor.summary
            for name in run.distillation.losses
        },
    }
