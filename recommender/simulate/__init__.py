"""Deterministic invented data: films, people, ratings and watches. Pure, seeded, fast."""

from recommender.simulate.world import World, WorldSpec, simulate_world

__all__ = ["World", "WorldSpec", "simulate_world"]
