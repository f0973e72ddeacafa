"""A typed, asynchronous client of the Chaintape api."""

from . import schema
from .rest import ProblemError, Rest, items
from .stream import Message, Stream, Subscription

__all__ = ["Message", "ProblemError", "Rest", "Stream", "Subscription", "items", "schema"]
