"""Runs on several machines: any worker leads a run, all of them execute its steps, through one PostgreSQL database."""
