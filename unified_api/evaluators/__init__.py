"""What scores an answer, from 0 to 1, so that a route may ask a stronger model for a better one."""
