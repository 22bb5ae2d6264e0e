"""Which models may serve a call, in which order, and what follows a failure: pure functions, the time passed in."""
