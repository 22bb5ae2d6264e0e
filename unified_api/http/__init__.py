"""Providers behind HTTP: the adapter, and the one transport below it."""
