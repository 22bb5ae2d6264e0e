"""Streams: opened, read, broken, gone on with elsewhere."""
