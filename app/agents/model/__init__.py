"""The built-in agent: a model at an endpoint, with Longwatch's own tools.

The driver is light; the libraries that talk to models are imported when a session opens.
"""

from app.agents.model.driver import ModelDriver

__all__ = ["ModelDriver"]
