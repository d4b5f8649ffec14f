"""Verbalizer: items and ratings as words, and a history of ratings as a prompt for a language model."""

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Final

import attrs
from transformers import PreTrainedTokenizerBase

from shortstack.errors import ConfigurationError

UNNAMED: Final = "something without a name"
"""Text of an item without a text."""


@attrs.frozen(kw_only=True)
class Spelling:
    """The token sequences that histories are composed of.

    Attributes:
        opening: Tokens before every history.
        items: Tokens of each item, up to its rating.
        options: The token of each rating.
    """

    opening: tuple[int, ...]
    items: tuple[tuple[int, ...], ...]
    options: tuple[int, ...]


def spell(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    ratings: Sequence[float],
    *,
    opening: str,
    line: str,
    words: Sequence[str] = (),
    longest: int = 24,
) -> Spelling:
    """Tokenise items and ratings as words of a language model, each rating a single token.

    Args:
        tokenizer: The model's tokenizer.
        texts: Text of each item; "something without a name" is used for an empty one.
        ratings: All possible ratings, ascending.
        opening: The text before every history, with both ``{lowest}`` and ``{highest}`` in it, or neither.
        line: Template of an item and then its rating, ``{item}`` and ``{rating}``.
        words: Word for each rating; by default its number, or, if a number is more than one token, letters, which the
            opening then explains.
        longest: Largest number of tokens of an item's text; longer texts are truncated.

    Raises:
        ConfigurationError: The numbers of words and ratings differ, a word is more than one token, or a word merges
            with an item's text into one token.
    """
    chosen, explanation = _single_tokens(tokenizer, [f"{rating:g}" for rating in ratings], line, words)
    filled_opening = f"{opening}{explanation}".replace("{lowest}", chosen[0]).replace("{highest}", chosen[-1])
    # within a line, because a tokenizer may join a word to the space before it
    options = tuple(words_alone(tokenizer, _line(line, "x", word))[-1] for word in chosen)
    cut = [_cut(tokenizer, text, longest) for text in texts]
    lines = [words_alone(tokenizer, _line(line, text, chosen[0])) for text in cut]
    for text, tokens in zip(cut, lines, strict=True):
        if tokens[-1] != options[0]:
            raise ConfigurationError(
                f"teacher.prompt.line is {line!r}, by which the rating {chosen[0]!r} is no token of its own after "
                f"{text[-30:]!r}; put something between, such as ': '"
            )
    return Spelling(
        opening=opening_of(tokenizer, filled_opening),
        items=tuple(tuple(tokens[:-1]) for tokens in lines),
        options=options,
    )


def _single_tokens(
    tokenizer: PreTrainedTokenizerBase, names: Sequence[str], line: str, words: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Return a word of one token for each rating, and the sentence that explains letters; empty if there are none.

    Raises:
        ConfigurationError: There are too many ratings or too few words, or a word is more than one token.
    """
    if words and len(words) != len(names):
        raise ConfigurationError(
            f"teacher.prompt.words names {len(words)} ratings, but there are {len(names)}: {', '.join(names)}"
        )
    if len(names) > len(ascii_uppercase):
        raise ConfigurationError(
            f"a language model chooses among {len(ascii_uppercase)} ratings at most, got {len(names)}"
        )
    chosen, explanation = tuple(words or names), ""
    if not words and _odd(tokenizer, line, chosen) is not None:
        chosen = tuple(ascii_uppercase[: len(names)])
        explanation = f" {', '.join(f'{a} is {b}' for a, b in zip(chosen, names, strict=True))}."
    odd = _odd(tokenizer, line, chosen)
    if odd is not None:
        tried = "" if words else f"neither the ratings ({', '.join(names)}) nor letters in their place can be said: "
        raise ConfigurationError(
            f"{tried}the word {odd!r} is more than one token of its own, or the same as another rating's; name other words "
            "in teacher.prompt.words"
        )
    return chosen, explanation


def _odd(tokenizer: PreTrainedTokenizerBase, line: str, words: Sequence[str]) -> str | None:
    """Return a word that is not a single token of its own after the same text as the others; None if there is none."""
    head = min(
        (words_alone(tokenizer, _line(line, "x", word))[:-1] for word in words if word.strip()), key=len, default=[]
    )
    seen: set[int] = set()
    for word in words:
        tokens = words_alone(tokenizer, _line(line, "x", word))
        if not word.strip() or not tokens:
            return word
        *before, last = tokens
        if before != head or last in seen or last == tokenizer.unk_token_id:
            return word
        seen.add(last)
    return None


def _line(line: str, item: str, rating: str) -> str:
    return line.replace("{rating}", rating).replace("{item}", item)


def _cut(tokenizer: PreTrainedTokenizerBase, text: str, longest: int) -> str:
    """Truncate a text to one line of at most ``longest`` tokens; a character that the cut splits is dropped."""
    text = " ".join(text.split()) or UNNAMED
    tokens = words_alone(tokenizer, text)
    if len(tokens) <= longest:
        return text
    return str(tokenizer.decode(tokens[:longest])).rstrip("\ufffd").strip() or UNNAMED


def words_alone(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokenise a text as words alone: the text of a special token, in a title, is split like any other."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    return tokens


def opening_of(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """Return the tokens of a history's opening text, including special ones; none for an empty text."""
    return (*_start(tokenizer), *tokenizer(text, add_special_tokens=False).input_ids) if text else ()


def _start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that the tokenizer puts before a text."""
    whole, bare = tokenizer("x").input_ids, tokenizer("x", add_special_tokens=False).input_ids
    places = [place for place in range(len(whole)) if whole[place : place + len(bare)] == bare]
    return list(whole[: places[0]]) if places else []
