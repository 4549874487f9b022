"""A first keepwell.toml from a look at somebody's files."""

from features.guess.draft import Column, Guess, SourceGuess, render
from features.guess.files import guess

__all__ = ["Column", "Guess", "SourceGuess", "guess", "render"]
