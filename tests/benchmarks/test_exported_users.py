"""The comparison of an export, read where neither torch nor shortstack is, with the recommender of a run."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from exporting.conftest import FILMS, films, made

from benchmarks.exported_users import compare, needed
from shortstack.data.sequences import Sequences


@pytest.mark.full
def test_all_test_users(tmp_path):
    """Of a small run; more users than it has are not needed."""
    made().save_pretrained(tmp_path / "student")
    (tmp_path / "data").mkdir()
    films().save(tmp_path / "data")
    splits = np.tile(np.array([0, 0, 0, 0, 1, 2], dtype=np.int8), 40)
    items = np.random.default_rng(0).integers(FILMS, size=240)
    Sequences(items=items, offsets=np.arange(0, 241, 6), splits=splits, catalogue_size=FILMS).save(
        tmp_path / "data" / "sequences.safetensors"
    )
    compared = compare(tmp_path, 1_000)

    assert (40, 40, 40) == (compared.users, compared.same_lists, compared.same_items)
    assert compared.difference < 1e-5


def test_what_a_package_needs():
    """Without its extras, and nothing of ours."""
    packages = needed("onnxruntime")

    assert {"onnxruntime", "numpy"} <= packages
    assert not packages & {"torch", "shortstack", "transformers"}
