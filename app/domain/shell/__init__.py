"""Shell text taken apart into the simple commands that would run, whatever they hide behind."""

from app.domain.shell.models import Parsed, Redirect, SimpleCommand, Word
from app.domain.shell.walk import parse

__all__ = ["Parsed", "Redirect", "SimpleCommand", "Word", "parse"]
