"""Wire families: a request to bytes, bytes to a response, pure."""
