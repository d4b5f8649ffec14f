"""The service's routes."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import attrs
from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp

from shortstack.data.questions import FoundQuestion, Question, Recommendation
from shortstack.recommender import Recommender
from shortstack.serving import metrics as prometheus
from shortstack.serving.authorization import with_token
from shortstack.serving.batching import Batcher
from shortstack.serving.bodies import with_whole_bodies
from shortstack.serving.limits import Limits
from shortstack.serving.loaded import Served
from shortstack.serving.metrics import Metrics
from shortstack.serving.observation import observed
from shortstack.serving.problems import ProblemError, install_problems
from shortstack.serving.schemas import (
    REFUSALS,
    FoundItem,
    HealthAnswer,
    ItemsAnswer,
    RateAnswer,
    RateRequest,
    Rating,
    ReadyAnswer,
    RecommendAnswer,
    RecommendedItem,
    RecommendRequest,
)
from shortstack.serving.search import Search
from shortstack.version import __version__

Result = TypeVar("Result")
_PAGE: Final = Path(__file__).with_name("page.html")
_FEW: Final = 200
"""Names in a request, or items in its answer, that are read or written in a fraction of a millisecond."""


@attrs.frozen(kw_only=True, eq=False)
class _Model:
    """A recommender, with what makes batches of its questions."""

    recommender: Recommender
    metrics: Metrics
    recommending: Batcher[FoundQuestion, list[Recommendation]]
    rating: Batcher[RateRequest, dict[float, float]]

    @classmethod
    def of(cls, recommender: Recommender, metrics: Metrics, limits: Limits, threads: ThreadPoolExecutor) -> "_Model":
        return cls(
            recommender=recommender,
            metrics=metrics,
            recommending=Batcher(
                lambda batch: recommender.answers(batch, batch_size=len(batch)),
                limits=limits,
                threads=threads,
                observe=metrics.add_batch,
            ),
            rating=Batcher(lambda batch: [_rated(recommender, one) for one in batch], limits=limits, threads=threads),
        )

    @property
    def batchers(self) -> tuple[Batcher[Any, Any], ...]:
        return self.recommending, self.rating


@attrs.frozen(kw_only=True, eq=False)
class _Service:
    """All that a route needs."""

    served: Served
    teacher: Served | None
    limits: Limits
    search: Search
    metrics: Metrics
    models: Mapping[str, _Model]

    @property
    def recommender(self) -> Recommender:
        return self.served.recommender

    def changed(self) -> bool:
        return any(one is not None and one.changed() for one in (self.served, self.teacher))

    def batchers(self) -> Iterator[Batcher[Any, Any]]:
        return chain.from_iterable(model.batchers for model in self.models.values())

    def waiting(self) -> int:
        return sum(batcher.waiting for batcher in self.batchers())

    def model(self, name: str) -> _Model:
        if name not in self.models:
            raise ProblemError(409, "no-teacher", "this service has no teacher; serve the folder of a run that has one")
        return self.models[name]


def create_app(
    served: Served,
    *,
    teacher: Served | None = None,
    limits: Limits | None = None,
    workers: int = 1,
    token: str | None = None,
) -> ASGIApp:
    """Return the service, as an ASGI application.

    Args:
        served: The recommender.
        teacher: The recommender that it was made from, which answers requests for the model ``"teacher"``.
        limits: What a request may ask for.
        workers: Number of batches that are computed at the same time.
        token: What clients must send as ``Authorization: Bearer TOKEN``; None admits all.
    """
    bounds, metrics = limits or Limits(), Metrics()
    threads = ThreadPoolExecutor(workers, thread_name_prefix="compute")
    models = {"student": _Model.of(served.recommender, metrics, bounds, threads)}
    if teacher is not None:
        # its batches and answers are no part of the metrics, which watch the model that is in production
        models["teacher"] = _Model.of(teacher.recommender, Metrics(), bounds, threads)
    service = _Service(
        served=served,
        teacher=teacher,
        limits=bounds,
        search=Search.of(served.recommender.catalogue),
        metrics=metrics,
        models=models,
    )

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        for batcher in service.batchers():
            batcher.start(workers)
        yield
        for batcher in service.batchers():
            await batcher.stop()
        threads.shutdown()

    # its pages of documentation would load scripts from another host
    routes = FastAPI(title="shortstack", version=__version__, docs_url=None, redoc_url=None, lifespan=working)
    # a redirection to the path without a slash would name the scheme and host that a proxy used, not those of the client
    routes.router.redirect_slashes = False
    install_problems(routes)
    for add in (_add_recommend, _add_rate, _add_items, _add_probes, _add_page):
        add(routes, service)
    paths = frozenset({"/openapi.json", *routes.openapi()["paths"], "/", "/metrics"})
    return observed(with_token(with_whole_bodies(routes, bounds), token), metrics, paths)


def _add_recommend(routes: FastAPI, service: _Service) -> None:
    @routes.post("/v1/recommend", responses=REFUSALS, response_model=RecommendAnswer)
    async def recommend(request: RecommendRequest) -> Response:
        """Recommend the items most likely to come next."""
        if service.recommender.catalogue.options:
            raise ProblemError(409, "wrong-task", "this model rates items and does not rank them; use POST /v1/rate")
        _require_within(request, service.limits)
        model = service.model(request.model)
        questions = await _here_or_in_a_thread(_is_quickly_found(model, request), _found, model, request)
        answers = await model.recommending.ask(questions)
        for answer in answers:
            if answer:
                model.metrics.add_first(answer[0].score)
        few = sum(map(len, answers)) <= _FEW
        return Response(await _here_or_in_a_thread(few, _written, answers), media_type="application/json")


def _add_rate(routes: FastAPI, service: _Service) -> None:
    @routes.post("/v1/rate", responses=REFUSALS)
    async def rate(request: RateRequest) -> RateAnswer:
        """Tell the probabilities of a user's ratings of an item."""
        if not service.recommender.catalogue.options:
            raise ProblemError(
                409, "wrong-task", "this model ranks items and was not made to rate them; use POST /v1/recommend"
            )
        _require_at_most("items in a history", len(request.history), service.limits.history)
        (probabilities,) = await service.model(request.model).rating.ask([request])
        return RateAnswer(
            probabilities=[Rating(rating=value, probability=share) for value, share in probabilities.items()],
            mean=sum(value * share for value, share in probabilities.items()),
        )


def _add_items(routes: FastAPI, service: _Service) -> None:
    @routes.get("/v1/items", responses=REFUSALS)
    def items(
        query: Annotated[str, Query(max_length=200, description="What was typed.", examples=["toy st"])] = "",
        limit: Annotated[int, Query(ge=1, le=100, description="Largest number of items.")] = 10,
    ) -> ItemsAnswer:
        """Search items as their titles are typed."""
        found = service.search.find(query, limit)
        return ItemsAnswer(items=[FoundItem(id=item.id, title=item.title, category=item.category) for item in found])


def _add_probes(routes: FastAPI, service: _Service) -> None:
    @routes.get("/health")
    async def health() -> HealthAnswer:
        """Tell that the process runs."""
        return HealthAnswer()

    @routes.get("/ready", responses={503: REFUSALS[503]})
    def ready() -> ReadyAnswer:
        """Tell that there is room for requests, and whether the folders are as they were loaded."""
        waiting = service.waiting()
        if waiting >= service.limits.waiting:
            raise ProblemError(503, "busy", f"{waiting} histories wait; ask again later")
        catalogue = service.recommender.catalogue
        task = "rate" if catalogue.options else "recommend"
        return ReadyAnswer(
            task=task, items=len(catalogue), models=list(service.models), folder_changed=service.changed()
        )

    @routes.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Tell counts and times, for Prometheus."""
        return PlainTextResponse(service.metrics.text(service.waiting), media_type=prometheus.MEDIA_TYPE)


def _add_page(routes: FastAPI, _: _Service) -> None:
    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(_page(), headers={"content-security-policy": _ITSELF})


_ITSELF: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)


@cache
def _page() -> str:
    return _PAGE.read_text(encoding="utf-8")


def _found(model: _Model, request: RecommendRequest) -> list[FoundQuestion]:
    catalogue = model.recommender.catalogue
    for history in request.all_histories:
        known = sum(catalogue.place(name) is not None for name in history)
        model.metrics.add_history(known, len(history) - known)
    questions = [
        Question(
            history=history,
            k=request.k,
            exclude_seen=request.exclude_seen,
            candidates=request.candidates,
            categories=request.categories,
        )
        for history in request.all_histories
    ]
    return [model.recommender.found(question, number) for number, question in enumerate(questions)]


async def _here_or_in_a_thread(here: bool, work: Callable[..., Result], *given: object) -> Result:
    """Do quick work at once, for a change of threads costs more, and other work where it does not hold up all requests."""
    return work(*given) if here else await run_in_threadpool(work, *given)


def _is_quickly_found(model: _Model, request: RecommendRequest) -> bool:
    """Return whether the names of a request are few and known: near names of an unknown one are searched for."""
    if request.candidates is not None or request.categories or sum(map(len, request.all_histories)) > _FEW:
        return False
    place = model.recommender.catalogue.place
    return all(place(name) is not None for history in request.all_histories for name in history)


def _written(answers: Sequence[Sequence[Recommendation]]) -> str:
    """Return the answers as JSON."""
    lists = [[RecommendedItem(id=one.id, title=one.title, score=one.score) for one in answer] for answer in answers]
    return RecommendAnswer(recommendations=lists).model_dump_json()


def _rated(recommender: Recommender, request: RateRequest) -> dict[float, float]:
    return recommender.rate([(one.item, one.rating) for one in request.history], request.item)


def _require_within(request: RecommendRequest, limits: Limits) -> None:
    longest: Sequence[str] = max(request.all_histories, key=len, default=())
    _require_at_most("histories", len(request.all_histories), limits.histories)
    _require_at_most("items in a history", len(longest), limits.history)
    _require_at_most("candidates", len(request.candidates or ()), limits.candidates)
    _require_at_most("categories", len(request.categories), limits.categories)
    _require_at_most("items to recommend, k,", request.k, limits.k)


def _require_at_most(what: str, count: int, most: int) -> None:
    if count > most:
        raise ProblemError(422, "too-many", f"a request may have {most} {what} at most, got {count}")
