"""Model cards of a run's models: a ``README.md`` in each one's folder."""

from typing import TYPE_CHECKING, Any

from shortstack.files import written_whole
from shortstack.run_layout import CARD, CARD_MARK

if TYPE_CHECKING:
    from pathlib import Path

    from shortstack.pipeline.stage import Context
    from shortstack.report.model_card import CardFacts
    from shortstack.result import RunResult


def write_model_cards(context: "Context", result: "RunResult") -> None:
    """Write the card of each model that the run's folder holds.

    A card is no part of the stage's result: the stage's record lists its files, and a card is made of later figures. One
    that a person wrote, or took the mark out of, is left alone.
    """
    from shortstack.report.model_card import MODELS, model_card

    for model in MODELS:
        folder = context.root / model
        path = folder / CARD
        if folder.is_dir() and (is_written_card(path) or not path.exists()):
            _write(path, model_card(result, _facts(context, result, folder)))


def _facts(context: "Context", result: "RunResult", folder: "Path") -> "CardFacts":
    from transformers import AutoConfig

    from shortstack.data.catalogue import Catalogue
    from shortstack.models.language_models import may_be_on_the_hub
    from shortstack.recommender_folder import read_rules
    from shortstack.report.model_card import CardFacts

    config, start = AutoConfig.from_pretrained(folder), context.run.teacher.path
    return CardFacts(
        model=folder.name,
        architecture=config.architectures[0],
        layers=config.get_text_config().num_hidden_layers,
        catalogue=Catalogue.load(folder),
        seen=read_rules(folder)["seen"],
        terms=_terms(context, str(result.data.get("edition", ""))),
        base_model=start if isinstance(start, str) and may_be_on_the_hub(start) else "",
    )


def _terms(context: "Context", edition: str) -> str:
    """Return the publisher's terms of use of an edition; empty where the adapter does not know them."""
    descriptor: Any = context.registry.find("dataset", context.run.data.adapter).descriptor
    return descriptor.downloads[edition].licence if edition in descriptor.downloads else ""


def is_written_card(path: "Path") -> bool:
    """Return whether a file is a card that a run wrote and may write again: nothing may depend on its content."""
    return path.name == CARD and path.is_file() and CARD_MARK in path.read_text(encoding="utf-8", errors="replace")


def _write(path: "Path", text: str) -> None:
    """Write a card unless it is there already: a service tells by times whether the folder has changed."""
    content = text.encode("utf-8", "backslashreplace")
    if path.is_file() and path.read_bytes() == content:
        return
    with written_whole(path) as partial:
        partial.write_bytes(content)
