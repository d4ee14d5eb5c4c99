"""Experiments: who gets which arm, what the figures of the arms say, what a canary does next."""
