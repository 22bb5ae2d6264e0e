"""What of a text is personal or secret, and what may stand in its place: pure functions."""
