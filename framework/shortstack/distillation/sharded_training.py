"""A training whose model, gradients and optimiser are divided among the processes, by accelerate's FSDP2.

Its checkpoints are those of any other training: whole tensors, which the first process writes. So any number of processes
goes on from them, one among them, sharded or not.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

import torch
from accelerate import Accelerator, DistributedType
from accelerate.utils import FullyShardedDataParallelPlugin
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import TrainingArguments

from shortstack.errors import ConfigurationError
from shortstack.models.sharding import place_like

NO_NORMS: Final = (
    'gradient norms of single losses are those of the first layer, which no process holds whole with parallel = "fsdp"; choose '
    "another balancing than 'gradnorm' and leave out log_gradient_norms, or set parallel = \"ddp\""
)
"""Why gradient norms are refused."""


_NOT_FOLLOWED: Final[Mapping[str, str]] = {
    "activation_checkpointing": "set gradient_checkpointing, which keeps the layers that losses look into",
    "cpu_offload": "start more processes",
}
"""Options of ``fsdp_config`` that are not followed, and the remedy."""


def check_sharding(args: TrainingArguments, *, gradient_norms: bool) -> None:
    """Raise if arguments, or a launcher's environment, ask for a sharding that this trainer does not do.

    Args:
        args: The training arguments.
        gradient_norms: Gradient norms of single losses are measured.

    Raises:
        ConfigurationError: They do; names what to do instead.
    """
    if args.deepspeed or _is_on("ACCELERATE_USE_DEEPSPEED"):
        raise ConfigurationError(
            'DeepSpeed is not supported; set parallel = "fsdp" in the fit (fsdp=True in TrainingArguments), which divides weights, '
            "gradients and the optimiser's state among the processes as ZeRO-3 does"
        )
    if not args.fsdp:
        if _is_on("ACCELERATE_USE_FSDP"):
            raise ConfigurationError(
                'accelerate launch was started with FSDP, which is a setting of the fit here: set parallel = "fsdp", and '
                "launch without --use_fsdp"
            )
        return
    if args.world_size == 1:
        raise ConfigurationError(
            "fsdp=True divides a model among processes, and this is one; start several with torchrun, or leave it out"
        )
    if args.fsdp_plugin_args is None or args.fsdp_plugin_args["fsdp_version"] != 2:
        raise ConfigurationError('fsdp_config asks for another FSDP than version 2; set {"version": 2}')
    for name, instead in _NOT_FOLLOWED.items():
        if args.fsdp_plugin_args.get(name):
            raise ConfigurationError(f"fsdp_config has {name}, which is not followed by this trainer; {instead}")
    if gradient_norms:
        raise ConfigurationError(NO_NORMS)


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "false").lower() in {"1", "true"}


def keep_arithmetic(args: TrainingArguments) -> None:
    """Let autocast alone choose the precision, as in a training that is not sharded; gradients are added in float32.

    Accelerate would gather weights, and add gradients, in bfloat16 whenever the arithmetic is.
    """
    args.fsdp_plugin_args["mixed_precision_policy"] = MixedPrecisionPolicy(cast_forward_inputs=False)


def use_plugin(accelerator: Accelerator, args: TrainingArguments) -> None:
    """Let an accelerator shard on the CPU as well: accelerate follows its own plugin on GPUs alone, and says nothing.

    Raises:
        ConfigurationError: The training runs on the CPU of a machine with GPUs, among which accelerate would shard.
    """
    if accelerator.is_fsdp2:
        return
    if torch.accelerator.is_available():
        raise ConfigurationError(
            "FSDP divides a model among this machine's GPUs, and the device is the CPU; set another device, or hide the GPUs "
            "(CUDA_VISIBLE_DEVICES= )"
        )
    state: Any = accelerator.state
    state.fsdp_plugin = FullyShardedDataParallelPlugin(**args.fsdp_plugin_args)
    state.distributed_type = DistributedType.FSDP


def divided_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return an optimiser's whole state with the parts that this process holds, divided as its parameters are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    divided = {
        index: {name: _placed(value, parameters[index]) for name, value in entry.items()}
        for index, entry in state["state"].items()
    }
    return {**state, "state": divided}


def _placed(value: Any, parameter: torch.Tensor) -> Any:
    same = isinstance(value, torch.Tensor) and value.shape == parameter.shape
    return place_like(value, parameter) if same else value  # AdamW's number of steps is one scalar
