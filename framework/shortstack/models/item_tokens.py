"""Item tokens in a language model's vocabulary: one for each item, initialised from the item's text."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from transformers import AddedToken, PreTrainedModel, PreTrainedTokenizerBase

from shortstack.errors import ConfigurationError
from shortstack.models.padding import padding_row, settle_padding
from shortstack.models.ties import is_tied, settle_ties
from shortstack.models.verbalizer import words_alone

Start = Literal["text", "spread", "random"]


def item_token(number: int) -> str:
    """Return the text of an item's token.

    >>> item_token(7)
    '<|item_7|>'
    """
    return f"<|item_{number}|>"


def add_item_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    start: Start = "text",
    seed: int = 0,
) -> list[int]:
    """Add a token for each item to a model and its tokenizer, in place.

    A new row of the embeddings, and of the output head if that is another matrix, is the mean of the rows of its text's
    tokens; for a text that is empty, or has unknown words only, the mean over all items. Means lie close together:
    ``spread`` gives them the centre and the average distance from it of the old rows. ``random`` draws rows with the
    mean and the standard deviation of the old ones instead.

    The config is corrected if it contradicts the weights on whether the output head is tied, or if its padding would be
    the last item.

    Args:
        model: Has an embedding for each of the tokenizer's tokens.
        tokenizer: The model's tokenizer.
        texts: Text of each item; may be empty.
        start: Initialisation of the rows.
        seed: Seed of the ``random`` initialisation.

    Returns:
        The token of each item.

    Raises:
        ConfigurationError: The vocabulary has such tokens already, their ids are taken, or nothing describes any item.
    """
    settle_ties(model)
    settle_padding(model)
    known, names = tokenizer.get_vocab(), [item_token(number) for number in range(len(texts))]
    _require_new(names, known)
    spelt = [[token for token in words_alone(tokenizer, text) if token != tokenizer.unk_token_id] for text in texts]
    if start != "random" and not any(spelt):
        raise ConfigurationError(
            "no item has a text to start from that the tokenizer knows a word of; set teacher.items.start = 'random', or name "
            "a template"
        )
    # not normalised: a normalizer that puts a prefix before every word would not match the token again
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in names])
    tokens: list[int] = tokenizer.convert_tokens_to_ids(names)
    _require_free(tokens, known, padding_row(model))
    matrices = [_rows(model.get_input_embeddings()).detach().clone()]
    tied = is_tied(model)
    if not tied:
        matrices.append(_rows(model.get_output_embeddings()).detach().clone())
    size = max(len(tokenizer), len(matrices[0]))  # embeddings may have spare rows, which are kept
    model.resize_token_embeddings(size, mean_resizing=False)  # the new rows are written below
    model.config.get_text_config().vocab_size = size
    settle_padding(model, tokens)
    modules = [model.get_input_embeddings(), *([] if tied else [model.get_output_embeddings()])]
    for module, old in zip(modules, matrices, strict=True):
        _write(module, tokens, _first_rows(old, spelt, start, seed))
    return tokens


def _require_new(names: Sequence[str], known: Mapping[str, int]) -> None:
    """Raise if an item's token is in the vocabulary already."""
    ours = next((name for name in names if name in known), None)
    if ours is not None:
        raise ConfigurationError(
            f"the tokenizer has the token {ours} already: this model was made for other items; name the model that "
            "it was made from, or give the data that it was made for"
        )


def _require_free(tokens: Sequence[int], known: Mapping[str, int], padding: int | None) -> None:
    """Raise if the id of an item's token is taken by a word or by padding, whose row never learns."""
    taken = {number: repr(word) for word, number in known.items()} | {padding: "padding (the config's pad_token_id)"}
    for token in tokens:
        if token in taken:
            raise ConfigurationError(
                f"the tokenizer gives an item the token {token}, which is {taken[token]} already; give the model a tokenizer "
                "whose tokens are numbered without holes, padding among them"
            )


def _first_rows(old: Tensor, spelt: Sequence[Sequence[int]], start: Start, seed: int) -> Tensor:
    """Return the initial rows of the items, float32 ``(items, width)``; see ``add_item_tokens``."""
    if start == "random":
        return _drawn(old, len(spelt), seed)
    means = _means(old, spelt)
    return _like(old, means) if start == "spread" else means


@torch.no_grad()
def _write(module: torch.nn.Module, tokens: Sequence[int], rows: Tensor) -> None:
    """Write the rows of some tokens into embeddings or an output head."""
    weight, places = _rows(module), torch.tensor(tokens)
    weight[places] = rows.to(weight.dtype)
    bias = getattr(module, "bias", None)
    if bias is not None:
        bias[places] = 0.0  # a spare row has learnt a low bias, since it was never the label


def _rows(module: torch.nn.Module) -> Tensor:
    weight = module.weight
    if not isinstance(weight, Tensor):
        raise ConfigurationError(f"{type(module).__name__} has no matrix of rows that items could be added to")
    return weight


def _means(old: Tensor, spelt: Sequence[Sequence[int]]) -> Tensor:
    """Return the mean row of each text's tokens, float32 ``(items, width)``."""
    means = [old[torch.tensor(tokens)].float().mean(0) if tokens else None for tokens in spelt]
    everything = torch.stack([mean for mean in means if mean is not None]).mean(0)
    return torch.stack([everything if mean is None else mean for mean in means])


def _like(old: Tensor, new: Tensor) -> Tensor:
    """Return new rows with the centre, and the mean distance from it, of the old ones; their directions stay."""
    centre, apart = old.float().mean(0), new - new.mean(0)
    wanted = (old.float() - centre).norm(dim=1).mean()
    rows: Tensor = centre + apart * (wanted / apart.norm(dim=1).mean().clamp_min(1e-12))
    return rows


def _drawn(old: Tensor, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, old.shape[1], generator=generator)
    return old.float().mean(0) + noise * old.float().std(0)
