"""Plain words in, a checked DAG of model calls out, run through one gateway."""

__version__ = "0.1.0"
