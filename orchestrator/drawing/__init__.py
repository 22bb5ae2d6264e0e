"""Workflows as pictures: Mermaid's text, and SVG."""
