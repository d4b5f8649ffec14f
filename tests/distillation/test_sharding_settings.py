"""What cannot be divided among processes is refused, with the reason."""

import attrs
import pytest
from transformers import TrainingArguments

from shortstack import Registry, Run
from shortstack.config.training import FitSettings, LoraSettings
from shortstack.distillation.sharded_training import check_sharding
from shortstack.errors import ConfigurationError
from shortstack.pipeline.preflight import check

DIVIDED = {"world_size": 2, "deepspeed": None, "fsdp": True, "fsdp_plugin_args": {"fsdp_version": 2}}
WHOLE = {**DIVIDED, "fsdp": False, "fsdp_plugin_args": None}


@attrs.frozen
class Arguments:
    """What is read of ``TrainingArguments``, whose own need the processes."""

    world_size: int
    deepspeed: object
    fsdp: bool
    fsdp_plugin_args: dict | None


def test_adapters():
    """They are merged into whole matrices."""
    with pytest.raises(
        ConfigurationError, match=r'^parallel = "fsdp" divides every matrix .* leave out one of the two$'
    ):
        FitSettings(parallel="fsdp", lora=LoraSettings())
    with pytest.raises(ConfigurationError, match="parallel"):
        FitSettings(parallel="deepspeed")


@pytest.mark.parametrize(
    ("changed", "norms", "message"),
    [
        (
            {**WHOLE, "deepspeed": "zero.json"},
            False,
            r'^DeepSpeed is not supported; set parallel = "fsdp" in the fit \(',
        ),
        (
            {**DIVIDED, "world_size": 1},
            False,
            "^fsdp=True divides a model among processes, and this is one; start several",
        ),
        (
            {**DIVIDED, "fsdp_plugin_args": {"fsdp_version": 1}},
            False,
            "^fsdp_config asks for another FSDP than version 2; set",
        ),
        (
            {**DIVIDED, "fsdp_plugin_args": {"fsdp_version": 2, "cpu_offload": True}},
            False,
            "^fsdp_config has cpu_offload, which is not followed by this trainer; start more processes$",
        ),
        (
            DIVIDED,
            True,
            "^gradient norms of single losses are those of the first layer, which no process holds whole with",
        ),
    ],
)
def test_arguments(changed, norms, message):
    """Each is named."""
    with pytest.raises(ConfigurationError, match=message):
        check_sharding(Arguments(**changed), gradient_norms=norms)
    check_sharding(Arguments(**DIVIDED), gradient_norms=False)
    check_sharding(Arguments(**WHOLE), gradient_norms=True)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("ACCELERATE_USE_DEEPSPEED", "^DeepSpeed is not supported; set parallel"),
        (
            "ACCELERATE_USE_FSDP",
            r'^accelerate launch was started with FSDP, .* set parallel = "fsdp", and launch without',
        ),
    ],
)
def test_a_launchers_environment(monkeypatch, tmp_path, variable, message):
    """What a launcher is started with is a setting of the fit here."""
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
    monkeypatch.setenv(variable, "true")
    with pytest.raises(ConfigurationError, match=message):
        check_sharding(arguments, gradient_norms=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ('distillation.cache="on"', r'^distillation\.cache = "on" has one process run the whole teacher, and parallel'),
        ("selection.latency_ms=1.0", "^a budget of milliseconds is measured on a whole model in one process, and"),
        ('distillation.balancing="gradnorm"', "^gradient norms of single losses are those of the first layer"),
    ],
)
def test_runs(request, changed, message):
    """Where one process would need a whole model, the run ends before any work."""
    path = request.config.rootpath / "examples" / "quickstart.toml"
    divided = ['distillation.fit.parallel="fsdp"', changed]
    with pytest.raises(ConfigurationError, match=message):
        check(Run.from_toml(path, divided), Registry.from_environment())
