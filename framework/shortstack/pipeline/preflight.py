"""Checks before any work: that every name in a run exists, and that its settings are allowed and go together."""

from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.config.given import Given
from shortstack.errors import ConfigurationError, SourceNotFoundError, UnknownNameError
from shortstack.pipeline.importance import requested_scorers
from shortstack.pipeline.task_evaluation import headlines_of, require_own_baselines
from shortstack.planning.schedule import require_smaller, rounds_of
from shortstack.processes import ALONE, World
from shortstack.selection.selector import selector_for
from shortstack.tasks import feedback_of, task_of
from shortstack.teachers.items import brings_items, items_in_words

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from shortstack.config.run import RunConfig
    from shortstack.config.training import FitSettings
    from shortstack.registry import Registry


def check(run: "RunConfig", registry: "Registry", world: World = ALONE) -> "torch.device":
    """Check a run for every mistake that can be found without data.

    Args:
        run: The settings.
        registry: The plugins.
        world: The processes of the run.

    Returns:
        The device that the models will be on.

    Raises:
        ConfigurationError: A name or a setting is wrong, or the device is not there.
    """
    from shortstack.compression.names import method_named
    from shortstack.distillation.balancing import checked_multipliers, make_balancing
    from shortstack.distillation.weighted_losses import weighted_losses
    from shortstack.evaluation.evaluator import RecommendationEvaluator
    from shortstack.importance.scorers import Scorers
    from shortstack.models.devices import device_named
    from shortstack.pipeline.training import own_callbacks

    registry.configure("dataset", run.data.adapter, run.data.settings)
    registry.configure("student", run.student.architecture, run.student.settings)
    for name in run.importance.scorers:
        registry.configure("scorer", name, run.importance.settings.get(name, {}))
    Scorers.of(requested_scorers(run.importance), registry)  # those that others are made from, too
    _check_settings_are_used(run)
    losses = weighted_losses(run.distillation.losses, registry)
    evaluation = run.evaluation
    RecommendationEvaluator(cutoffs=evaluation.cutoffs, protocol=evaluation.protocol, seen=evaluation.seen or "exclude")
    for _, method in evaluation.compressed.models.values():
        method_named(method)
    headlines_of(run)
    require_own_baselines(run)
    _check_names(run)
    own_callbacks(run)
    config = _teachers_config(run)
    feedback_of(task_of(run.task).reads).check(run.data, run.task.name)
    _check_fits(run)
    _check_sharding(run)
    if config is not None:
        _check_positions(config, run)
        _check_family(config, run)
    _check_items(run)
    weights = {loss.name: loss.weight for loss in losses}
    checked_multipliers(make_balancing(run.distillation.balancing), weights, {}, step=1)
    _check_selection(run, config)
    _check_figures()
    device = device_named(run.device, world)
    _check_kernels(run, config, device, world.size)
    _check_compilation(run, device, world.size)
    return device


def _check_names(run: "RunConfig") -> None:
    names = list(run.importance.scorers)
    twice = next((str(name) for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"two scorers are called {twice!r} in importance.scorers; give one another name")


def _check_figures() -> None:
    """Find out before the work whether its figures can be drawn.

    Raises:
        ConfigurationError: matplotlib refuses the environment, such as a backend that does not exist.
    """
    try:
        import matplotlib as mpl

        mpl.rcParams["backend"]
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"the report's figures cannot be drawn ({' '.join(str(error).split())[:160]}); unset MPLBACKEND, or correct matplotlibrc"
        ) from error


def _check_settings_are_used(run: "RunConfig") -> None:
    for name in run.importance.settings:
        if name not in run.importance.scorers:
            raise UnknownNameError("scorer in importance.settings", name, run.importance.scorers)


def _check_fits(run: "RunConfig") -> None:
    """Check that what the training settings need is installed, and that they suit the task.

    Raises:
        ConfigurationError: A setting does not; names it.
    """
    from shortstack.distillation.lora import require_peft
    from shortstack.distillation.trackers import require_trackers

    for name, fit in _fits(run).items():
        require_trackers(fit.report_to, f"{name}.report_to")
        if fit.lora is not None:
            require_peft()
        if fit.item_rows_rate != 1.0 and items_in_words(run):
            raise ConfigurationError(
                f"{name}.item_rows_rate is {fit.item_rows_rate:g}, but the teacher reads items as words, without rows of "
                "their own; leave it out"
            )
    if run.teacher.config is not None and run.teacher.fit is not None and run.teacher.fit.lora is not None:
        raise ConfigurationError(
            "teacher.fit.lora adapts layers that know something, and those of teacher.config are fresh; leave it out, or "
            "name a pretrained model in teacher.path"
        )


def _check_sharding(run: "RunConfig") -> None:
    """Check that nothing in a run that divides its models needs one of them whole in one process.

    Raises:
        ConfigurationError: A setting does; names it.
    """
    from shortstack.distillation.balancing import make_balancing, measures_gradients
    from shortstack.distillation.sharded_training import NO_NORMS

    if not run.is_sharded:
        return
    distillation = run.distillation
    if distillation.cache == "on":
        raise ConfigurationError(
            'distillation.cache = "on" has one process run the whole teacher, and parallel = "fsdp" divides it among all; set cache = '
            '"auto"'
        )
    if selector_for(run.selection).budget.measure == "latency_ms":
        raise ConfigurationError(
            'a budget of milliseconds is measured on a whole model in one process, and parallel = "fsdp" divides it among all; keep a '
            "number or a share of layers, or of parameters"
        )
    norms = distillation.log_gradient_norms or measures_gradients(make_balancing(distillation.balancing))
    if distillation.fit.parallel == "fsdp" and norms:
        raise ConfigurationError(NO_NORMS)


def _check_compilation(run: "RunConfig", device: "torch.device", processes: int) -> None:
    """Check that compilation works, where a training uses it.

    Raises:
        ConfigurationError: It does not work on the device, with several processes, or with gradient norms of losses.
    """
    from shortstack.distillation.balancing import make_balancing, measures_gradients
    from shortstack.distillation.compiled_layers import NO_NORMS, SEVERAL, require_compiler

    fits, distillation = _fits(run).values(), run.distillation
    norms = distillation.log_gradient_norms or measures_gradients(make_balancing(distillation.balancing))
    if distillation.fit.compile and norms:
        raise ConfigurationError(NO_NORMS)
    if any(fit.compile for fit in fits):
        if processes > 1:
            raise ConfigurationError(SEVERAL)
        require_compiler(device.type)


def _check_kernels(run: "RunConfig", config: "PreTrainedConfig | None", device: "torch.device", processes: int) -> None:
    """Check that Liger's kernels can be used, where a training is to use them.

    Raises:
        ConfigurationError: They cannot, on the device, in several processes, or with gradient norms of losses.
        UnsupportedModelError: Liger has none for the teacher's family.
    """
    from shortstack.distillation.balancing import make_balancing, measures_gradients
    from shortstack.distillation.liger_kernels import check_liger, require_family

    distillation = run.distillation
    norms = distillation.log_gradient_norms or measures_gradients(make_balancing(distillation.balancing))
    for fit in _fits(run).values():
        if fit.kernels == "liger":
            check_liger(
                device,
                compiled=fit.compile,
                sharded=fit.parallel == "fsdp",
                processes=processes,
                gradient_norms=norms and fit is distillation.fit,
            )
            if config is not None:
                require_family(config)


def _fits(run: "RunConfig") -> dict[str, "FitSettings"]:
    """Return the training settings of teacher and student, by their path in the run."""
    fits = {"teacher.fit": run.teacher.fit, "distillation.fit": run.distillation.fit}
    return {name: fit for name, fit in fits.items() if fit is not None}


def _check_family(config: "PreTrainedConfig", run: "RunConfig") -> None:
    """Check that the teacher's family supports the LoRA modules and gradient checkpointing that are set.

    Raises:
        ConfigurationError: Its layers lack a module, or cannot be recomputed in the backward pass.
    """
    import torch

    from shortstack.distillation.lora import modules_of
    from shortstack.planning.costs import outlined

    fits = {name: fit for name, fit in _fits(run).items() if fit.lora is not None or fit.gradient_checkpointing}
    if not fits:
        return
    model = outlined(config, torch.float32)
    for name, fit in fits.items():
        if fit.gradient_checkpointing and not model.supports_gradient_checkpointing:
            raise ConfigurationError(
                f"{name}.gradient_checkpointing: {type(model).__name__} cannot compute its layers again on the way back; leave it out"
            )
        if fit.lora is not None:
            modules_of(model, fit.lora.modules)


def _check_items(run: "RunConfig") -> None:
    """Check that new items are kept only where their tokens start from texts, and that no item setting goes unused.

    Raises:
        ConfigurationError: They cannot be kept, or a setting would have no effect.
    """
    from shortstack.config.run_tables import PromptSettings

    settings = run.teacher
    if settings.items.new == "kept" and (
        settings.path is None or feedback_of(task_of(run.task).reads).rates or settings.items.start == "random"
    ):
        raise ConfigurationError(
            "teacher.items.new = 'kept' ranks items by the texts that their tokens start from, so it needs a pretrained model "
            "in teacher.path, start = 'text' or 'spread', and a task that ranks; leave it out"
        )
    if settings.prompt != PromptSettings() and brings_items(settings):
        raise ConfigurationError(
            f"teacher.prompt is of a pretrained language model, but the teacher in {settings.path} has its words already; leave it out"
        )


def _teachers_config(run: "RunConfig") -> "PreTrainedConfig | None":
    """Return the teacher's config; None if it is on the hub, which is not contacted before the weights are needed.

    Raises:
        SourceNotFoundError: ``teacher.path`` is not there.
        ShortstackError: ``teacher.path`` holds no model, or no model can be made of ``teacher.config``.
    """
    from shortstack.models.language_models import may_be_on_the_hub
    from shortstack.teachers.config import teacher_config

    path = run.teacher.path
    if path is None or isinstance(path, Given) or Path(path).exists():
        return teacher_config(run)
    if not may_be_on_the_hub(path):
        raise SourceNotFoundError(
            f"teacher.path is {path!r}, which is not here; name a folder with a model, a GGUF file, or a model on the hub as "
            "owner/name"
        )
    return None


def _check_positions(config: "PreTrainedConfig", run: "RunConfig") -> None:
    """Check that a teacher made from a config reads a whole window; for a pretrained one that depends on its tokenizer."""
    from shortstack.models.decoder import most_positions

    task, positions = task_of(run.task), most_positions(config)
    if run.teacher.path is None and positions is not None and positions < task.longest:
        raise ConfigurationError(
            f"the task's window of {task.window} items needs {task.longest} positions, but teacher.config has {positions}"
        )


def _check_selection(run: "RunConfig", config: "PreTrainedConfig | None") -> None:
    """Check that the selection's scorer is measured, and that the budget suits the teacher's depth where that is known."""
    if run.selection.scorer not in run.importance.scorers:
        raise ConfigurationError(
            f"selection.scorer is {run.selection.scorer!r}, which importance.scorers does not list "
            f"({', '.join(run.importance.scorers)}); add it there or choose one of them"
        )
    left = layers = config and config.get_text_config().num_hidden_layers
    for round_ in rounds_of(run.selection):
        budget = selector_for(round_.settings(run.selection)).budget
        if layers is not None and left is not None:
            kept = budget.layers(of=layers)
            # the size that another budget leaves is known only once costs are
            if budget.measure is None:
                require_smaller(kept, left, round_)
            left = kept
