"""The demo: a small real repository with a story, and answers for when nobody is at the screen."""

from app.demo.git import DemoError
from app.demo.project import DemoProject, make_demo

__all__ = ["DemoError", "DemoProject", "make_demo"]
