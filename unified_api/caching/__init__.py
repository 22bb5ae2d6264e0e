"""Answers that are kept: their keys, where they lie, and calls that wait for one another's."""
