"""Reading of one category: its reviews as rows, its metadata as products."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from shortstack.errors import RowError
from shortstack_datasets.amazon.layouts import Category
from shortstack_datasets.reading.bad_rows import BadRows
from shortstack_datasets.reading.columns import Column, user
from shortstack_datasets.reading.delimited import Form, read_delimited
from shortstack_datasets.reading.described import filled, plain_text
from shortstack_datasets.reading.json_lines import json_objects, read_json_lines
from shortstack_datasets.reading.sources import opened, require_one_copy
from shortstack_datasets.reading.values import typed

_PRODUCT: Final = dict.fromkeys(("item", "title", "category", "text"), pl.String)
_HISTORY: Final = (
    user("user_id"),
    Column(name="parent_asin", role="item", kind="id"),
    Column(name="rating", role="rating", kind="number"),
    Column(name="timestamp_ms", role="timestamp", kind="ms"),
)


def read_reviews(category: Category, bad: BadRows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the rows, with their category and their part of the official split if there is one; and the products.

    Raises:
        DataError: A file is there twice, packed in different ways; or a row is bad.
    """
    for files, name in [*((category.files, part) for part in category.parts), *filter(None, [category.metadata])]:
        require_one_copy(files, name)
    if category.layout.by_user:
        return _by_user(category, bad)
    frames = []
    for name, part in category.parts.items():
        rows = _read(category, name, bad).with_columns(category=pl.lit(category.names[0]))
        frames.append(rows.with_columns(split=pl.lit(part)) if part else rows)
    rows = pl.concat(frames)
    return rows, _products(category, rows, bad)


def _read(category: Category, name: str, bad: BadRows) -> pl.DataFrame:
    layout = category.layout
    with opened(category.files, name) as stream:
        if not layout.text:
            return filled(read_json_lines(stream, layout.columns, bad))
        form = Form(separator=",", names=layout.names, header=not layout.names, quoted=True)
        return filled(read_delimited(stream, form, layout.columns, bad))


def _products(category: Category, rows: pl.DataFrame, bad: BadRows) -> pl.DataFrame:
    """Return ``item``, ``title``, ``category``, ``text``: from the metadata, or else from the rows, which have no titles."""
    if category.metadata is None:
        return pl.DataFrame({"item": rows["item"].unique()}).select(
            "item", *(_none(name) for name in list(_PRODUCT)[1:])
        )
    made = []
    files, name = category.metadata
    place = files.place(name)
    with opened(files, name) as stream:
        for number, product in json_objects(stream, bad, literals=True):
            # 2023 has ``parent_asin``, the editions before it ``asin``
            item = product.get("parent_asin") or product.get("asin")
            if isinstance(item, str):
                made.append((item, plain_text(product.get("title")), _path(product), None))
            else:
                bad.meet(RowError(place, number, "neither parent_asin nor asin is a name"))
    return pl.DataFrame(made, schema=_PRODUCT, orient="row")


def _none(name: str) -> pl.Expr:
    return pl.lit(None, dtype=pl.String).alias(name)


def _path(product: Mapping[str, Any]) -> str | None:
    """Return the categories from the widest to the narrowest, joined by ``|``: the first path, if there are several."""
    path = product.get("categories") or product.get("category") or []
    if isinstance(path, list) and path and isinstance(path[0], list):
        path = path[0]
    names = [name for name in map(plain_text, path if isinstance(path, list) else [path]) if name]
    return "|".join(names) or plain_text(product.get("main_category") or product.get("main_cat"))


def _by_user(category: Category, bad: BadRows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read nested histories; a user with two categories has two histories, and counts as two users."""
    (name,) = category.parts
    place = category.files.place(name)
    lines, texts, products = [], [], []
    with opened(category.files, name) as stream:
        for number, entry in json_objects(stream, bad):
            kind = entry.get("category")
            if not isinstance(kind, str):
                bad.meet(RowError(place, number, "category is not a name"))
                continue
            if category.only and kind not in category.only:
                continue
            who, history = entry.get("user_id"), entry.get("history")
            if not (isinstance(who, str) and who):
                bad.meet(RowError(place, number, "user_id is not a name"))
                continue
            if not isinstance(history, list) or not all(isinstance(review, dict) for review in history):
                bad.meet(RowError(place, number, "history is not a list of reviews"))
                continue
            for review in history:
                if not (isinstance(review.get("parent_asin"), str) and review["parent_asin"]):
                    bad.meet(RowError(place, number, "parent_asin is not a name"))
                    continue
                lines.append(number)
                texts.append([f"{who}/{kind}", *(review.get(column.name) for column in _HISTORY[1:]), kind])
                nested = review.get("product")
                product = nested if isinstance(nested, dict) else {}
                title = plain_text(product.get("title"))
                products.append((review.get("parent_asin"), title, plain_text(product.get("main_category")), None))
    kept = Column(name="category", role="category", kind="label")
    columns = [*_HISTORY, kept]
    schema = {column.role: pl.String for column in columns}
    frame = pl.DataFrame([[None if v is None else str(v) for v in row] for row in texts], schema=schema, orient="row")
    rows = typed(frame, columns, place=place, line=lambda row: lines[row], bad=bad)
    described = pl.DataFrame(products, schema=_PRODUCT, orient="row").filter(pl.col("item").is_not_null())
    return filled(rows).with_columns(rows["category"]), described
