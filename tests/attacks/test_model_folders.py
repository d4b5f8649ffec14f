"""Every file of a recommender's folder, damaged in every way: a result, or one line that names it."""

import json
import shutil

import pytest
from pipeline.little_language_model import llama, tokenizer

from attacks.answers import accusations
from attacks.mutations import mutations, sample
from shortstack.cli.plan_report import PlanRequest
from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.errors import ConfigurationError, DataError, ShortstackError
from shortstack.models.language_models import language_model
from shortstack.recommender import Recommender
from shortstack.registry import Registry

ITEMS = [Item(id=f"i{number}", title=f"Item {number}", token=number + 1) for number in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recommender of two layers with words, and an opening."""
    place = tmp_path_factory.mktemp("sound") / "recommender"
    catalogue = Catalogue(items=ITEMS, opening=(1,))
    Recommender(model=llama(num_hidden_layers=2), catalogue=catalogue, window=4, tokenizer=tokenizer()).save_pretrained(
        place
    )
    return place


@pytest.fixture(scope="module")
def rater(tmp_path_factory):
    """One that rates."""
    place = tmp_path_factory.mktemp("sound") / "rater"
    options = [Option(value=1.0, token=20), Option(value=2.0, token=21)]
    catalogue = Catalogue(items=ITEMS, options=options)
    Recommender(model=llama(num_hidden_layers=2), catalogue=catalogue, window=4).save_pretrained(place)
    return place


def loaded(folder):
    """What ``shortstack recommend`` does, with the first item that has an id: an empty one names no item."""
    recommender = Recommender.from_pretrained(folder)
    item = next(item.id for item in recommender.catalogue.items if item.id)
    if recommender.catalogue.options:
        return recommender.rate([], item)
    return recommender.recommend([item], k=3)


def planned(folder):
    """What ``shortstack plan`` does."""
    return PlanRequest(source=folder).answer(Registry.from_environment())


def taught(folder):
    """What ``teacher.path`` does."""
    return language_model(str(folder))


READERS = {
    "config.json": (loaded, planned, taught),
    "generation_config.json": (loaded,),
    "items.jsonl": (loaded,),
    "model.safetensors": (loaded,),
    "options.json": (loaded,),
    "recommender.json": (loaded,),
    "tokenizer.json": (loaded, taught),
    "tokenizer_config.json": (loaded, taught),
}
pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_file_is_attacked(folder):
    """None was forgotten."""
    assert {path.name for path in folder.iterdir()} == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_some(folder, name, tmp_path):
    """One of each kind."""
    assert accusations(folder, name, sample(mutations(folder / name), 1), READERS[name][:2], tmp_path) == []


@pytest.mark.attacks
@pytest.mark.parametrize("name", READERS)
def test_all(folder, name, tmp_path):
    """Each key, value, place and cut."""
    assert accusations(folder, name, mutations(folder / name), READERS[name], tmp_path) == []


@pytest.mark.attacks
def test_all_of_a_rater(rater, tmp_path):
    """Its options."""
    assert accusations(rater, "options.json", mutations(rater / "options.json"), [loaded], tmp_path) == []


@pytest.mark.parametrize("value", [[[]], {"a": 1}, -1, 3])
def test_a_config_that_no_model_is_made_of(folder, value, tmp_path):
    """What a family's own code raises names the config."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    fields = json.loads((copy / "config.json").read_text())
    fields["rope_parameters"]["rope_type"] = value
    (copy / "config.json").write_text(json.dumps(fields))
    with pytest.raises(ShortstackError, match=r"copy/config\.json"):
        planned(copy)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("num_hidden_layers", 0, "num_hidden_layers is 0, and at least 1 is needed"),
        ("dtype", 0, "dtype is 0, and a text such as 'float32' is taken"),
    ],
)
def test_values_of_a_config(folder, name, value, problem, tmp_path):
    """That transformers takes, and nothing can be made of."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    fields = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(fields | {name: value}))
    with pytest.raises(DataError, match=problem):
        planned(copy)


def test_an_opening_outside_of_the_vocabulary(rater, tmp_path):
    """A token below 0 is no token."""
    copy = shutil.copytree(rater, tmp_path / "copy")
    fields = json.loads((copy / "options.json").read_text())
    (copy / "options.json").write_text(json.dumps(fields | {"opening": [-1]}))
    with pytest.raises(ConfigurationError, match=r"such as token -1; the model and options\.json belong") as error:
        loaded(copy)
    assert error.value.__notes__ == [f"it is about {copy}"]
