"""What the service answers, and what it says to requests that it cannot answer."""

import json
import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline.little_language_model import llama
from serving.conftest import ITEMS, client
from starlette.testclient import TestClient

from shortstack.recommender import Recommender
from shortstack.serving.app import create_app
from shortstack.serving.loaded import Served
from shortstack.serving.observation import JsonLines

PROBLEM = "application/problem+json"


def lists(recommendations):
    """Answers of a recommender, as JSON has them."""
    return [[attrs.asdict(one) for one in answer] for answer in recommendations]


def problem(answer, status, kind):
    """Its detail, after a look at its form."""
    content = answer.json()

    assert (status, status) == (answer.status_code, content["status"])
    assert PROBLEM == answer.headers["content-type"]
    assert f"urn:shortstack:problem:{kind}" == content["type"]
    assert {"type", "title", "status", "detail"} <= content.keys()
    assert "Traceback" not in answer.text
    return content["detail"]


@given(
    histories=st.lists(st.lists(st.sampled_from([*ITEMS]), min_size=1, max_size=6), min_size=1, max_size=5),
    k=st.integers(1, 20),
    exclude_seen=st.none() | st.booleans(),
    categories=st.lists(st.sampled_from(["Drama", "Comedy"]), max_size=1),
    candidates=st.none() | st.lists(st.sampled_from([item.title for item in ITEMS]), max_size=5),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answers_are_those_of_the_recommender(service, recommender, histories, k, exclude_seen, categories, candidates):
    """To the last bit, for what is computed together as one request."""
    names = [[item.title if place % 2 else item.id for place, item in enumerate(history)] for history in histories]
    choice = {"exclude_seen": exclude_seen, "categories": categories, "candidates": candidates}
    answer = service.post("/v1/recommend", json={"histories": names, "k": k, **choice})

    assert 200 == answer.status_code
    assert lists(recommender.recommend_many(names, k, **choice)) == answer.json()["recommendations"]


def test_one_history(service, recommender):
    """Has a list of its own."""
    answer = service.post("/v1/recommend", json={"history": ["m1"]})

    assert lists([recommender.recommend(["m1"])]) == answer.json()["recommendations"]


def test_a_teacher(recommender, folder):
    """It answers who names it, and counts in no metric of drift; a service without one says so."""
    teacher = attrs.evolve(recommender, model=llama(num_hidden_layers=4).eval())
    asked = {"history": ["m1"], "model": "teacher"}
    with client(recommender, folder, teacher=teacher) as one:
        answers = [one.post("/v1/recommend", json=body).json() for body in (asked, {"history": ["m1"]})]
        samples = one.get("/metrics").text
        models = one.get("/ready").json()["models"]
    with client(recommender, folder) as one:
        absent = one.post("/v1/recommend", json=asked)
        alone = one.get("/ready").json()["models"]

    expected = [lists([model.recommend(["m1"])]) for model in (teacher, recommender)]
    assert expected == [answer["recommendations"] for answer in answers]
    assert expected[0] != expected[1]
    assert "shortstack_first_probability_count 1\n" in samples
    assert (["student", "teacher"], ["student"]) == (models, alone)
    assert "this service has no teacher; serve the folder of a run that has one" in problem(absent, 409, "no-teacher")


def test_ratings(rater, folder):
    """Probabilities of the whole scale, and their mean."""
    with client(rater, folder) as one:
        asked = {"history": [{"item": "m1", "rating": 4}, {"item": "Film 2", "rating": 2.0}], "item": "m3"}
        answer = one.post("/v1/rate", json=asked).json()
        beyond = one.post("/v1/rate", json={"history": [{"item": "m1", "rating": 9}], "item": "m3"})
        unknown = one.post("/v1/rate", json={"item": "Film"})
        wrong = one.post("/v1/recommend", json={"history": ["m1"]})
        expected = rater.rate([("m1", 4.0), ("m2", 2.0)], "m3")

        assert expected == {each["rating"]: each["probability"] for each in answer["probabilities"]}
        assert sum(value * share for value, share in expected.items()) == answer["mean"]
        assert "9 is not on the scale 1, 2, 3, 4, 5" == problem(beyond, 422, "invalid-request")
        assert "unknown item 'Film'" in problem(unknown, 422, "unknown-name")
        assert "this model rates items and does not rank them; use POST /v1/rate" == problem(wrong, 409, "wrong-task")
        assert "rate" == one.get("/ready").json()["task"]


def test_a_recommender_is_asked_to_rate(service):
    """It says where to go."""
    answer = service.post("/v1/rate", json={"item": "m1"})

    assert "use POST /v1/recommend" in problem(answer, 409, "wrong-task")


def test_search(service):
    """Beginnings of titles first, in the order of the catalogue; ids; nothing."""

    def found(query, **more):
        return [one["id"] for one in service.get("/v1/items", params={"query": query, **more}).json()["items"]]

    assert [f"m{n}" for n in range(10)] == found("")
    assert ["m1", "m10", "m11"] == found("FILM  1", limit=3)
    assert ["m15"] == found("15")
    assert ["m7"] == found("m7")
    assert [] == found("matrix")
    assert "limit" in problem(service.get("/v1/items", params={"limit": 0}), 422, "invalid-request")
    assert "query" in problem(service.get("/v1/items", params={"query": "x" * 201}), 422, "invalid-request")


def test_an_unknown_item_is_told_with_names_like_it(service):
    """For the client to offer."""
    answer = service.post("/v1/recommend", json={"histories": [["m1"], ["Flim 3"]]})

    assert "unknown item 'Flim 3'; did you mean 'Film 3'" in problem(answer, 422, "unknown-name")
    assert "Flim 3" == answer.json()["name"]
    assert "Film 3" == answer.json()["near"][0]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ({"history": []}, "empty-history", "history 0 is empty: give at least one item"),
        ({"histories": [["m1"], []]}, "empty-history", "history 1 is empty"),
        ({}, "invalid-request", "give either history or histories"),
        ({"history": ["m1"], "histories": []}, "invalid-request", "give either history or histories"),
        ({"history": "m1"}, "invalid-request", "history: Input should be a valid list"),
        ({"history": [1]}, "invalid-request", "history[0]: Input should be a valid string"),
        ({"history": ["m1"], "k": 0}, "invalid-request", "k: Input should be greater than or equal to 1"),
        ({"history": ["m1"], "k": "3"}, "invalid-request", "k: Input should be a valid integer"),
        ({"history": ["m1"], "k": 10**9}, "too-many", "1000 items to recommend, k, at most, got 1000000000"),
        ({"history": ["m1"], "top": 3}, "invalid-request", "top: Extra inputs are not permitted"),
        ({"history": ["m1"] * 1001}, "too-many", "1000 items in a history at most, got 1001"),
        ({"histories": [["m1"]] * 65}, "too-many", "64 histories at most, got 65"),
        ({"history": ["m1"], "candidates": ["a"]}, "unknown-name", "unknown item 'a'"),
        (
            {"history": ["m1"], "categories": ["Drame"]},
            "unknown-name",
            "unknown category 'Drame'; did you mean 'Drama'",
        ),
        ([], "invalid-request", "body"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict | list) else "",
)
def test_requests_that_ask_for_what_is_not_allowed(service, body, kind, said):
    """Each is told what is wrong, and the next is answered."""
    assert said in problem(service.post("/v1/recommend", json=body), 422, kind)
    assert 200 == service.post("/v1/recommend", json={"history": ["m1"]}).status_code


def test_too_many_candidates(recommender, folder):
    """The limit is named."""
    with client(recommender, folder, candidates=2) as one:
        answer = one.post("/v1/recommend", json={"history": ["m1"], "candidates": ["m1", "m2", "m3"]})

        assert "a request may have 2 candidates at most, got 3" == problem(answer, 422, "too-many")


@pytest.mark.parametrize("body", [b"{", b"", b'{"history": ["m1"', b"\xff\xfe", b"[" * 9_000, b"1" * 9_000])
def test_bodies_that_are_no_json(service, body):
    """Broken, empty, not text, nested too deep, a number of too many digits."""
    answer = service.post("/v1/recommend", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in {400, 422}
    assert PROBLEM == answer.headers["content-type"]


@given(body=st.binary(max_size=40) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body(service, body):
    """Is a client's mistake, never the service's."""
    answer = service.post("/v1/recommend", content=body, headers={"content-type": "application/json"})

    assert 400 <= answer.status_code < 500
    assert PROBLEM == answer.headers["content-type"]


def test_broken_json_says_where(service):
    """As far as the parser knows."""
    answer = service.post("/v1/recommend", content=b"{", headers={"content-type": "application/json"})

    assert "the body is not JSON: " in problem(answer, 400, "broken-json")


def test_a_body_that_is_too_large(service):
    """With and without a length that says so."""
    declared = service.post("/v1/recommend", content=b" " * 30_000)
    streamed = service.post("/v1/recommend", content=iter([b" " * 9_000] * 4))
    waiting = service.post("/v1/recommend", content=b" " * 30_000, headers={"expect": "100-continue"})

    for answer in (declared, streamed, waiting):
        assert "a body may have 20000 bytes; send fewer histories at a time" == problem(answer, 413, "too-large")


def test_paths_and_methods_that_are_not_there(service):
    """In the same form."""
    for path in ("/v2/recommend", "/v1/items/"):
        detail = problem(service.get(path, follow_redirects=False), 404, "not-found")
        assert "there is no such path; GET /openapi.json names those that there are" == detail
    wrong = service.get("/v1/recommend")
    assert "this path takes POST alone" == problem(wrong, 405, "method-not-allowed")
    assert "POST" == wrong.headers["allow"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_named_as_json(service, kind):
    """As curl sends it without a header."""
    headers = {} if kind is None else {"content-type": kind}
    answer = service.post("/v1/recommend", content=b'{"history": ["m1"]}', headers=headers)

    assert "the body is not named as JSON; send it with the header Content-Type: application/json" == problem(
        answer, 415, "not-json"
    )
    named = {"content-type": "Application/JSON; charset=utf-8"}
    assert 200 == service.post("/v1/recommend", content=b'{"history": ["m1"]}', headers=named).status_code


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"history": ["\xff"]}', "it is not UTF-8 text"),
        (b"[" * 9_000, "it is nested too deeply"),
        (b'{"k": ' + b"1" * 9_000 + b"}", "a number has too many digits"),
    ],
    ids=["bytes", "nested", "digits"],
)
def test_json_that_no_parser_takes(service, body, said):
    """As broken JSON, with the reason."""
    answer = service.post("/v1/recommend", content=body, headers={"content-type": "application/json"})

    assert f"the body is not JSON: {said}" == problem(answer, 400, "broken-json")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"history": [1] * 900}, ["history[0]"]),
        ({"histories": [["m1"], [1] * 900, [2] * 900]}, ["histories[1][0]"]),
        ({"history": ["m1"], "candidates": [1] * 900}, ["candidates[0]"]),
        ({"history": ["m1"], "categories": [1] * 900}, ["categories[0]"]),
        ({"history": ["m1"]} | {f"a{n}": 1 for n in range(900)}, ["body"]),
    ],
    ids=["history", "histories", "candidates", "categories", "fields"],
)
def test_many_mistakes_are_not_all_listed(service, body, at):
    """The first stands for all: hundreds of thousands would hold up everything else for seconds."""
    answer = service.post("/v1/recommend", json=body)

    problem(answer, 422, "invalid-request")
    assert at == [one["at"] for one in answer.json()["errors"]]


def test_too_many_fields(service):
    """Are counted, without the words that pydantic puts before a message."""
    answer = service.post("/v1/recommend", json={f"a{n}": 1 for n in range(101)})

    assert "body: an object may have 100 fields at most, got 101" == problem(answer, 422, "invalid-request")


def test_categories_that_are_many_or_repeated(service):
    """A limit of their own; a repeated one counts once."""
    once, often = (
        service.post("/v1/recommend", json={"history": ["m1"], "categories": ["Drama"] * count}) for count in (1, 1000)
    )
    more = service.post("/v1/recommend", json={"history": ["m1"], "categories": ["Drama"] * 1001})

    assert once.json() == often.json()
    assert "a request may have 1000 categories at most, got 1001" == problem(more, 422, "too-many")


def test_a_very_long_name_is_cut(service):
    """The message does not grow with it."""
    answer = service.post("/v1/recommend", json={"history": ["x" * 9_000]})

    detail = problem(answer, 422, "unknown-name")
    assert detail.startswith(f"unknown item '{'x' * 200}…'")
    assert [] == answer.json()["near"]


def test_a_token(recommender, folder):
    """All but probes and the page need it."""
    with client(recommender, folder, token="secret") as one:  # noqa: S106 -- a test's
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}, {"authorization": "é"}):
            raw = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = one.post("/v1/recommend", json={"history": ["m1"]}, headers=raw)

            assert "Authorization: Bearer TOKEN" in problem(answer, 401, "unauthorized")
            assert "Bearer" == answer.headers["www-authenticate"]
        assert [401, 401] == [one.get(path).status_code for path in ("/metrics", "/openapi.json")]
        assert [200, 200, 200] == [one.get(path).status_code for path in ("/", "/health", "/ready")]
        for scheme in ("Bearer", "bearer"):  # RFC 9110: its case does not matter
            right = one.post("/v1/recommend", json={"history": ["m1"]}, headers={"authorization": f"{scheme} secret"})
            assert 200 == right.status_code


def test_a_changed_teacher(recommender, folder, tmp_path):
    """A change in the teacher's folder is seen as one in the student's is."""
    place = shutil.copytree(folder, tmp_path / "teacher")
    app = create_app(Served.load(folder, "cpu"), teacher=Served.load(place, "cpu"))
    with TestClient(app) as one:
        before = one.get("/ready").json()["folder_changed"]
        (place / "more.txt").touch()
        assert [False, True] == [before, one.get("/ready").json()["folder_changed"]]


def test_a_full_queue_and_a_late_answer(recommender, folder, monkeypatch):
    """What does not fit is refused at once; what waits too long is told; then all goes on."""
    slow = attrs.evolve(recommender)
    with client(slow, folder, timeout_s=0.4, waiting=2, batch=1) as one:
        with monkeypatch.context() as patch, ThreadPoolExecutor(6) as threads:
            patch.setattr(Recommender, "answers", lambda *_, **__: time.sleep(1.0))
            asked = [threads.submit(one.post, "/v1/recommend", json={"history": ["m1"]}) for _ in range(6)]
            answers = [each.result() for each in asked]
            busy = [answer for answer in answers if answer.status_code == 429]
            late = [answer for answer in answers if answer.status_code == 503]

        assert 6 == len(busy) + len(late)
        assert "histories wait and at most 2 may; ask again later" in problem(busy[0], 429, "busy")
        assert "1" == busy[0].headers["retry-after"]
        assert "there was no answer within 0.4 seconds" in problem(late[0], 503, "late")
        time.sleep(1.2)  # the thread that computes is still at the last one
        assert 200 == one.post("/v1/recommend", json={"history": ["m1"]}).status_code


def test_a_model_that_gives_nan(recommender, folder):
    """Is the service's fault, in one line."""
    broken = attrs.evolve(recommender, model=llama_of_nan())
    with client(broken, folder) as one:
        answer = one.post("/v1/recommend", json={"history": ["m1"]})

        assert "the model's logits are NaN or infinite; it cannot rank items" == problem(answer, 500, "not-finite")


def llama_of_nan():
    """A model whose head is NaN."""
    model = llama(num_hidden_layers=1, tie_word_embeddings=False).eval()
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    return model


def test_an_error_that_was_not_foreseen(recommender, folder, monkeypatch, caplog):
    """Nothing of it leaves; the log has its place and not its text, which may hold a history."""

    def fail(*_, **__):
        raise RuntimeError("Film 1 was watched")

    with client(recommender, folder) as one, caplog.at_level("INFO", "shortstack.serving"):
        with monkeypatch.context() as patch:
            patch.setattr(Recommender, "answers", fail)
            answer = one.post("/v1/recommend", json={"history": ["Film 1"]})
        lines = [JsonLines().format(record) for record in caplog.records if record.name == "shortstack.serving"]

        assert "its log says where" in problem(answer, 500, "internal")
        assert "watched" not in answer.text
        assert "Film" not in "".join(lines)
        assert "RuntimeError" in lines[0]
        assert "test_service.py" in lines[0]
        assert 200 == one.post("/v1/recommend", json={"history": ["m1"]}).status_code


def test_a_line_for_each_request(service, caplog):
    """Neither what was searched nor a history, nor a path that a client made up."""
    with caplog.at_level("INFO", "shortstack.serving"):
        service.get("/v1/items", params={"query": "Film 3"})
        service.post("/v1/recommend", json={"history": ["Film 3", "nothing like it"]})
        service.get("/Film 3")
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "shortstack.serving"]

    assert [("/v1/items", 200), ("/v1/recommend", 422), ("other", 404)] == [
        (line["path"], line["status"]) for line in lines
    ]
    assert "Film" not in json.dumps(lines)
    assert {"time", "level", "message", "method", "path", "status", "ms"} == lines[0].keys()


def test_metrics(recommender, folder):
    """Counts by route and status, sizes of batches, and what waits."""
    with client(recommender, folder) as one:
        one.post("/v1/recommend", json={"histories": [["m1"], ["m2"], ["m3"]]})
        one.post("/v1/recommend", json={})
        one.get("/anything")
        answer = one.get("/metrics")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "1" == samples['shortstack_requests_total{path="/v1/recommend",status="200"}']
    assert "1" == samples['shortstack_requests_total{path="/v1/recommend",status="422"}']
    assert "1" == samples['shortstack_requests_total{path="other",status="404"}']
    assert "2" == samples['shortstack_request_seconds_count{path="/v1/recommend"}']
    assert "2" == samples['shortstack_request_seconds_bucket{path="/v1/recommend",le="+Inf"}']
    assert "0" == samples['shortstack_batch_size_bucket{le="2"}']
    assert "1" == samples['shortstack_batch_size_bucket{le="4"}']
    assert "3.000000" == samples["shortstack_batch_size_sum"]
    assert "0" == samples["shortstack_waiting"]


def test_metrics_of_drift(recommender, folder):
    """Items by whether they are known, in answered requests and refused ones, and what the first recommendation's probability is."""
    with client(recommender, folder) as one:
        answer = one.post("/v1/recommend", json={"histories": [["m1", "Film 2"], ["m3"]]}).json()
        assert 422 == one.post("/v1/recommend", json={"history": ["m1", "nothing", "neither"]}).status_code
        text = one.get("/metrics").text
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    first = [math.exp(recommended[0]["score"]) for recommended in answer["recommendations"]]

    assert "4" == samples['shortstack_history_items_total{known="true"}']
    assert "2" == samples['shortstack_history_items_total{known="false"}']
    assert "2" == samples["shortstack_first_probability_count"]
    assert math.isclose(sum(first), float(samples["shortstack_first_probability_sum"]), abs_tol=1e-5)
    assert sum(one <= 0.1 for one in first) == int(samples['shortstack_first_probability_bucket{le="0.1"}'])


def test_the_description_has_examples_and_problems(service):
    """Of every route."""
    described = service.get("/openapi.json").json()
    paths = described["paths"]

    assert {"/v1/recommend", "/v1/rate", "/v1/items", "/health", "/ready", "/metrics"} == paths.keys()
    assert PROBLEM in paths["/v1/recommend"]["post"]["responses"]["429"]["content"]
    assert "Toy Story (1995)" in json.dumps(described["components"]["schemas"]["RecommendRequest"])


def test_the_page_needs_nobody_else(service):
    """No address of another host is in it, and the browser is told to ask none."""
    answer = service.get("/")

    assert "text/html; charset=utf-8" == answer.headers["content-type"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "//" not in answer.text.replace("// ", "")
    assert "viewport" in answer.text
