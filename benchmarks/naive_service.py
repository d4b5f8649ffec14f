"""A recommender behind the FastAPI route that one would write first: each request calls the model once."""

import sys

import attrs
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from shortstack import Recommender
from shortstack.serving.server import address_of, bound_socket


class Request(BaseModel):
    """One history; the model is the one that is served."""

    history: list[str]


def create_app(folder: str) -> FastAPI:
    """Return the application."""
    app, recommender = FastAPI(), Recommender.from_pretrained(folder)

    @app.post("/v1/recommend")
    def recommend(request: Request) -> dict[str, list[list[dict[str, str | float]]]]:
        return {"recommendations": [[attrs.asdict(one) for one in recommender.recommend(request.history)]]}

    return app


def main() -> None:
    """Serve the folder that is named at a free port, and print the address."""
    app = create_app(sys.argv[1])
    with bound_socket("127.0.0.1", 0) as bound:
        bound.listen()
        print(address_of(bound), flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[bound])


if __name__ == "__main__":
    main()
