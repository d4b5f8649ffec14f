"""Texts as examples: read from JSON lines, cut to length, the longest first."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from shortstack.contracts.labels import IGNORED
from shortstack.errors import DataError, EmptyDataError, RowError, SourceNotFoundError
from shortstack.tasks.examples import Example

FORM = '{"text": …} or {"prompt": …, "completion": …}'


def stored_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder; runs no code from there.

    Raises:
        DataError: It holds none.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder} holds no readable tokenizer: {' '.join(str(error).split())[:200]}") from error
    return tokenizer


def read_examples(path: Path, tokenizer: PreTrainedTokenizerBase, longest: int) -> list[Example]:
    """One example a line, the longest first: what is too much for the memory shows at once, and little is padded.

    Of a text every token is supervised, of a prompt with a completion those of the completion. A text is cut at its
    end, a prompt at its start. Lines without a token are left out.

    Args:
        path: JSON lines, each ``{"text"}`` or ``{"prompt", "completion"}``; other keys are ignored.
        tokenizer: The model's own.
        longest: How many tokens an example has at most.

    Raises:
        SourceNotFoundError: There is no such file.
        RowError: A line is something else; names it.
        EmptyDataError: No line has a token.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is no file; name one with a line of {FORM} for each example")
    examples = [_example(row, tokenizer, longest) for row in _rows(path)]
    examples = [example for example in examples if example["input_ids"]]
    if not examples:
        raise EmptyDataError(f"{path} has no text; write a line of {FORM} for each example")
    return sorted(examples, key=lambda example: len(example["input_ids"]), reverse=True)


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if text.strip():
                try:
                    row = json.loads(text)
                except ValueError as error:
                    raise RowError(path, line, f"not JSON ({error}); a line is {FORM}") from error
                if not _is_text(row):
                    raise RowError(
                        path, line, f"got {text.decode().strip():.80}; a line is {FORM}, with texts as values"
                    )
                yield row


def _is_text(row: Any) -> bool:
    return isinstance(row, dict) and any(
        all(isinstance(row.get(key), str) for key in keys) for keys in (("text",), ("prompt", "completion"))
    )


def _example(row: Mapping[str, str], tokenizer: PreTrainedTokenizerBase, longest: int) -> Example:
    if "text" in row:
        tokens = list(tokenizer(row["text"]).input_ids)[:longest]
        return {"input_ids": tokens, "labels": [IGNORED, *tokens[1:]]}
    prompt = list(tokenizer(row["prompt"]).input_ids)
    completion = list(tokenizer(row["completion"], add_special_tokens=False).input_ids)
    tokens, labels = prompt + completion, [IGNORED] * len(prompt) + completion
    return {"input_ids": tokens[-longest:], "labels": labels[-longest:]}
