"""HTTP: the ASGI application round the engines, and the process that serves it."""
