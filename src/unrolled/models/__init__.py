"""Architectures, one a file, and the folders they are kept in."""

from unrolled.models.folder import load_model, save_model
from unrolled.models.language import LanguageModel

__all__ = ["LanguageModel", "load_model", "save_model"]
