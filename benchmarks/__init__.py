"""Measurements. None of them is a test."""
