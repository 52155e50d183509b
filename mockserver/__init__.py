"""A simulator for asynchronous generation APIs, driven by their OpenAPI documents."""

__version__ = "0.1.0"
