"""Adapters with one mistake each, and the laws that each breaks: all of them, and no others."""

import attrs
import polars as pl

from mutants.datasets.mistakes import (
    Caching,
    PathsOnly,
    Silent,
    Unchecked,
    by_first_use,
    caused,
    composed,
    cut_titles,
    ended,
    first_category,
    first_fields,
    floating,
    headed,
    in_32_bits,
    in_any_order,
    in_memory,
    interactions_through,
    item_of_each_row,
    items_through,
    nameless_column,
    nameless_file,
    next_line,
    nulled,
    numbered,
    once,
    skipping,
    sorted_titles,
    through_float,
    trimmed,
    undecoded,
    unended,
    unguarded,
    whole_line,
    with_titles_of_the_table,
    without_entities,
    without_na,
)
from mutants.datasets.plain import plain, recognised
from mutants.mutant import Mutant, SetOfNames
from shortstack.contracts import Edition

PREPARED = {
    "dense-ids",
    "row-order",
    "ties-leak-nothing",
    "k-core",
    "partition",
    "global-time",
    "leave-last",
    "sequences",
}
"""What needs that the core takes the table at all."""

ROWS = {
    "ratings-of-any-scale",
    "rows-round-trip",
    "large-numbers",
    "many-rows",
    "half-stars",
    "times-of-day",
    "odd-names",
}
"""What compares whole rows with those that were written."""

BAD_ROWS = {"bad-row", "short-row", "long-row", "nameless-row"}


def wrong(name, sentence, breaks, pitfall=None, adapter=None, **changes):
    """Build a mutant of the plain adapter."""
    return Mutant(
        component=plain(name, adapter, **changes), kind="dataset", wrong=sentence, breaks=breaks, pitfall=pitfall
    )


ADAPTERS = (
    wrong(
        "drops-the-last-row",
        "The last row is dropped.",
        {*ROWS, "row-order"},
        finished=in_memory(lambda frame: frame.head(-1)),
    ),
    wrong(
        "takes-a-header",
        "The first row is taken for a header.",
        {
            "ratings-of-any-scale",
            "rows-round-trip",
            "row-order",
            "bad-row",
            "nameless-row",
            "large-numbers",
            "many-rows",
            "half-stars",
            "missing-values",
            "times-as-text",
            "times-of-day",
            "odd-names",
        },
        lines=headed,
    ),
    wrong("loses-the-unended-line", "A last line without a newline is lost.", {"line-ends"}, lines=ended),
    wrong("keeps-carriage-returns", "Windows line ends stay in the last field.", {"line-ends"}, lines=unended),
    wrong(
        "seconds",
        "Times are given in seconds.",
        ROWS,
        finished=in_memory(lambda frame: frame.with_columns(pl.col("timestamp") // 1_000)),
    ),
    wrong(
        "float-ids",
        "Ids go through a float.",
        ROWS,
        pitfall=31,
        interaction=through_float,
    ),
    wrong("numbers-ids", "007 is taken for 7, though any text is promised.", {"odd-names"}, interaction=numbered),
    wrong("drops-na", "Users called NA are taken for missing, as pandas does.", {"odd-names"}, interaction=without_na),
    wrong("composes-accents", "Ids are put into Unicode's form NFC.", {"odd-names"}, interaction=composed),
    wrong(
        "trims-ids",
        "Blanks around ids are lost, though any text is promised.",
        {"rows-round-trip", "odd-names"},
        interaction=trimmed,
    ),
    wrong("wraps-times", "Seconds are kept in 32 bits.", {"times-of-day"}, finished=in_memory(in_32_bits)),
    wrong(
        "cuts-categories",
        "Categories end at a bar.",
        {"descriptions-round-trip"},
        finished=items_through(first_category),
    ),
    wrong(
        "cuts-titles",
        "Titles end after 100 letters.",
        {"descriptions-round-trip", "whole-titles"},
        finished=items_through(cut_titles),
    ),
    wrong(
        "unescapes",
        "Entities of HTML in titles are taken for letters.",
        {"descriptions-round-trip"},
        finished=items_through(without_entities),
    ),
    wrong(
        "drops-duplicates",
        "Rows that repeat are dropped.",
        {"rows-round-trip"},
        pitfall=31,
        finished=in_memory(lambda frame: frame.unique(maintain_order=True)),
    ),
    wrong(
        "renumbers-users",
        "Users are renumbered by first use.",
        {*ROWS, "row-order"},
        pitfall=30,
        finished=in_memory(by_first_use),
    ),
    wrong(
        "joins-titles",
        "Interactions whose item has no title are lost in a join.",
        {"rows-round-trip", "large-numbers", "many-rows"},
        pitfall=31,
        finished=with_titles_of_the_table,
    ),
    wrong(
        "titles-by-rank",
        "Titles go to other items.",
        {"whole-titles", "descriptions-round-trip"},
        finished=items_through(sorted_titles),
    ),
    wrong(
        "reversed",
        "The last row comes first.",
        {"file-order"},
        pitfall=30,
        finished=in_memory(lambda frame: frame.reverse()),
    ),
    wrong(
        "by-time",
        "Rows are sorted by their times.",
        {"file-order"},
        finished=in_memory(lambda frame: frame.sort("timestamp", maintain_order=True)),
    ),
    wrong(
        "by-user-and-time",
        "Each user's rows are sorted by their times.",
        {"file-order"},
        finished=in_memory(lambda frame: frame.sort("user", "timestamp", maintain_order=True)),
    ),
    wrong(
        "whole-seconds",
        "Times are cut to whole seconds.",
        {"times-of-day"},
        finished=in_memory(lambda frame: frame.with_columns(pl.col("timestamp") // 1_000 * 1_000)),
    ),
    wrong(
        "unsigned-times",
        "Times before 1970 lose their sign.",
        {"times-of-day"},
        finished=in_memory(lambda frame: frame.with_columns(pl.col("timestamp").abs())),
    ),
    wrong(
        "any-order",
        "Rows come in another order each time.",
        {"file-order", "line-ends", "reads-alike", "no-memory", "another-machine"},
        finished=in_memory(in_any_order),
    ),
    wrong(
        "rating-as-text",
        "Ratings are text.",
        {
            "ratings-of-any-scale",
            "form",
            "rows-round-trip",
            *PREPARED,
            "large-numbers",
            "many-rows",
            "half-stars",
            "times-of-day",
            "odd-names",
        },
        finished=in_memory(lambda frame: frame.with_columns(pl.col("rating").cast(pl.String))),
    ),
    wrong(
        "time-as-float",
        "Times are floats.",
        {"form", *PREPARED},
        finished=in_memory(lambda frame: frame.with_columns(pl.col("timestamp").cast(pl.Float64))),
    ),
    wrong(
        "repeats-items",
        "The table of items has a row for each interaction.",
        {"form", *PREPARED},
        pitfall=31,
        finished=item_of_each_row,
    ),
    wrong(
        "reads-once",
        "The interactions are an iterator that is used up.",
        {"collects-twice"},
        finished=interactions_through(once),
    ),
    wrong("caches", "A cache is written into the source.", {"source-untouched"}, adapter=Caching()),
    wrong("paths-only", "A source that is text is no source.", {"reads-alike", "detects-its-own"}, adapter=PathsOnly()),
    wrong(
        "takes-anything",
        "Every source is recognised.",
        {"missing-source", "other-sources-are-left", "no-memory"},
        recognised=lambda _source: Edition(name="plain"),
    ),
    wrong(
        "takes-nothing",
        "No source is recognised.",
        {"detects-its-own", "another-machine"},
        recognised=lambda _source: None,
    ),
    wrong(
        "other-name",
        "Detecting tells another edition than reading.",
        {"detects-its-own"},
        recognised=lambda source: recognised(source) and Edition(name="plain-1"),
    ),
    wrong(
        "plain-not-found",
        "What is not there raises Python's FileNotFoundError.",
        {"missing-source"},
        adapter=Unchecked(),
    ),
    wrong(
        "silent",
        "Whatever goes wrong gives an empty table.",
        {
            "ratings-of-any-scale",
            "missing-source",
            "other-sources-are-left",
            *BAD_ROWS,
            "many-rows",
            "blank-lines",
            "missing-values",
            "times-as-text",
        },
        pitfall=23,
        adapter=Silent(),
    ),
    wrong(
        "takes-longer-rows", "Surplus fields are not seen.", {"long-row", "users-are-private"}, interaction=first_fields
    ),
    wrong(
        "skips-bad-rows",
        "Bad rows are left out.",
        BAD_ROWS | {"ratings-of-any-scale", "many-rows", "blank-lines", "missing-values", "times-as-text"},
        interaction=skipping,
    ),
    wrong(
        "nulls-bad-numbers",
        "Bad numbers become null.",
        {"ratings-of-any-scale", "bad-row", "many-rows", "missing-values", "times-as-text"},
        interaction=nulled,
    ),
    wrong("takes-nan", "NaN and infinity are ratings.", {"bad-row"}, interaction=floating),
    wrong(
        "line-off-by-one",
        "Errors name the line after the bad one.",
        {"bad-row", "short-row", "long-row", "many-rows", "blank-lines"},
        interaction=next_line,
    ),
    wrong("no-folder", "Errors name the file without its folder.", BAD_ROWS | {"many-rows"}, interaction=nameless_file),
    wrong("no-column", "Errors do not name the column.", {"bad-row"}, interaction=nameless_column),
    wrong(
        "shows-the-line", "Errors show the line, and with it the user.", {"users-are-private"}, interaction=whole_line
    ),
    wrong("chains-the-line", "The cause of an error shows the user.", {"users-are-private"}, interaction=caused),
    wrong(
        "unguarded",
        "Python's ValueError comes out of bad rows.",
        {*BAD_ROWS, "damaged-files", "many-rows", "missing-values", "blank-lines", "times-as-text"},
        interaction=unguarded,
    ),
    wrong("undecoded", "Bytes that are not UTF-8 raise UnicodeDecodeError.", {"damaged-files"}, lines=undecoded),
    Mutant(
        component=attrs.evolve(plain("set-of-names", None), config=SetOfNames),
        kind="dataset",
        wrong="A setting is one that no file can hold.",
        breaks={"settings"},
    ),
)
