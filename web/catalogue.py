"""Films: GET /movies, /movies/<id> and /similar/<id>."""

from __future__ import annotations

from flask import Response

from recommender.errors import NotFound
from recommender.types import Movie
from web.answers import (
    MovieAnswer,
    MoviesAnswer,
    SimilarAnswer,
    json_answer,
    movie_answer,
    movie_heading,
)
from web.operations import Operation, Who
from web.payloads import MoviesQuery, SimilarQuery
from web.reading import path_id, query_parameters
from web.request_context import this_request
from web.services import Services
from web.surface import Surface


class CatalogueRoutes:
    """Reads the catalogue and the neighbours in the served model."""

    def __init__(self, services: Services) -> None:
        self._catalogue = services.catalogue
        self._serving = services.serving
        self._similar = services.similar

    def movies(self) -> Response:
        """Films by words of the title and genre."""
        asked = query_parameters(MoviesQuery, this_request())
        found = self._catalogue.search(asked.query, asked.limit, asked.genre)
        counts = self._catalogue.rating_counts([movie.item_id for movie in found])
        return json_answer(
            {"movies": [movie_answer(movie, counts.get(movie.item_id)) for movie in found]}
        )

    def movie(self, item_id: str) -> Response:
        """One film."""
        movie = self._known(item_id)
        counts = self._catalogue.rating_counts([item_id])
        return json_answer(movie_answer(movie, counts.get(item_id)))

    def similar(self, item_id: str) -> Response:
        """Neighbours of a film."""
        k = query_parameters(SimilarQuery, this_request()).k
        self._known(item_id)
        served = self._serving.current()
        near = [] if served is None else self._similar(served.bundle, item_id, k)
        lines = [
            {"rank": rank, **movie_heading(other, self._catalogue.movie(other)), "kind": kind}
            for rank, (other, kind) in enumerate(near, 1)
        ]
        return json_answer({
            "item_id": item_id,
            "similar": lines,
            "model_version": None if served is None else served.version_id,
            "fallback": "no_model" if served is None else None,
        })

    def _known(self, item_id: str) -> Movie:
        movie = self._catalogue.movie(path_id("item_id", item_id))
        if movie is None:
            raise NotFound(f"item_id {item_id} is not in the catalogue")
        return movie


def register(surface: Surface) -> None:
    """Add these routes."""
    routes = CatalogueRoutes(surface.services)
    surface.table.topic("catalogue", (
        (Operation("GET", "/movies", "Find films, most interacted first", Who.CLIENT,
                   MoviesAnswer, query=MoviesQuery, errors=(503,)), routes.movies),
        (Operation("GET", "/movies/<item_id>", "A film and how it was rated", Who.CLIENT,
                   MovieAnswer, errors=(404, 503)), routes.movie),
        (Operation("GET", "/similar/<item_id>", "Films near a film", Who.CLIENT,
                   SimilarAnswer, query=SimilarQuery, errors=(404, 503)), routes.similar),
    ))
