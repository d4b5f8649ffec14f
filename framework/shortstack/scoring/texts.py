"""Examples from texts in JSON lines, cut to length."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
from transformers import PreTrainedTokenizerBase

from shortstack.boundaries import RepeatedKeyError, without_repeats
from shortstack.contracts.first_bytes import require_kind_of_file
from shortstack.contracts.labels import IGNORED
from shortstack.errors import EmptyDataError, RowError, SourceNotFoundError
from shortstack.tasks.examples import Example

FORM: Final = '{"text": …} or {"prompt": …, "completion": …}'
_KEYS: Final = (("text",), ("prompt", "completion"))


@attrs.frozen(kw_only=True, eq=False)
class ReadExample:
    """An example of a file.

    Attributes:
        place: Its file and line, ``"texts.jsonl:8"``.
        example: Its tokens and labels.
    """

    place: str
    example: Example


def read_examples(path: Path, tokenizer: PreTrainedTokenizerBase, longest: int, vocabulary: int) -> list[ReadExample]:
    """Read one example per line, in their order; blank ones are left out.

    Every token of a text is a label, but only those of the completion of a prompt with a completion. A text is cut at
    its end, a prompt at its start.

    Args:
        path: JSON lines, each ``{"text"}`` or ``{"prompt", "completion"}``; other keys are ignored.
        tokenizer: The model's own tokenizer.
        longest: Largest number of tokens of an example.
        vocabulary: Size of the model's vocabulary.

    Raises:
        SourceNotFoundError: The file does not exist.
        DataError: It is no text.
        RowError: A line has another form, or tokens outside the model's vocabulary; names the line.
        EmptyDataError: No line has a token.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is no file; name one with a line of {FORM} for each example")
    require_kind_of_file(path, "a text")
    examples = []
    for line, texts in _rows(path):
        example = _example(texts, tokenizer, longest)
        beyond = [token for token in example["input_ids"] if token >= vocabulary]
        if beyond:
            problem = f"its token {beyond[0]} lies beyond the model's {vocabulary}; give the model its own tokenizer"
            raise RowError(path, line, problem)
        if example["input_ids"] and any(text.strip() for text in texts):
            examples.append(ReadExample(place=f"{path}:{line}", example=example))
    if not examples:
        raise EmptyDataError(f"{path} has no text; write a line of {FORM} for each example")
    return examples


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the number of each line, and its text, or its prompt and completion."""
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if text.strip():
                try:
                    row = json.loads(text, object_pairs_hook=without_repeats)
                except RepeatedKeyError as error:
                    raise RowError(path, line, str(error)) from error
                except (ValueError, RecursionError) as error:
                    raise RowError(path, line, f"not JSON ({error}); a line is {FORM}") from error
                texts_found = next((texts for keys in _KEYS if (texts := _texts(row, keys))), None)
                if texts_found is None:
                    line_text = text.decode(errors="replace").strip()
                    raise RowError(path, line, f"got {line_text:.80}; a line is {FORM}, with texts as values")
                yield line, texts_found


def _texts(row: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of some keys, if all of them are texts that UTF-8 can encode; else empty."""
    values = [row.get(key) for key in keys] if isinstance(row, dict) else []
    texts = tuple(value for value in values if isinstance(value, str) and _is_unicode(value))
    return texts if len(texts) == len(keys) else ()


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _example(texts: tuple[str, ...], tokenizer: PreTrainedTokenizerBase, longest: int) -> Example:
    tokens = list(tokenizer(texts[0]).input_ids)
    if len(texts) == 1:
        return {"input_ids": tokens[:longest], "labels": [IGNORED, *tokens[1:longest]]}
    completion = list(tokenizer(texts[1], add_special_tokens=False).input_ids)
    if tokens and tokens[-1] == tokenizer.eos_token_id and _is_ended("".join(texts), tokenizer):
        completion.append(tokens.pop())  # the end token that a tokenizer adds belongs after the completion
    labels = [IGNORED] * len(tokens) + completion
    return {"input_ids": (tokens + completion)[-longest:], "labels": labels[-longest:]}


def _is_ended(text: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """True if a tokenizer adds a token behind a text, as T5's does; a token that the text itself names is not added."""
    added = tokenizer(text, return_special_tokens_mask=True).special_tokens_mask
    return bool(added[-1]) and not all(added)
