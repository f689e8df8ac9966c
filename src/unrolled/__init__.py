"""Recurrent networks, written as their equations.

The public names, each imported when it is first used (PEP 562), so that the language of equations and
`unrolled --help` start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled import cells, equations
    from unrolled.data.vocabulary import Vocabulary
    from unrolled.equations import Cell, cell
    from unrolled.estimators.classifier import SequenceClassifier
    from unrolled.estimators.forecaster import SequenceForecaster
    from unrolled.estimators.reservoir import ReservoirClassifier, ReservoirForecaster
    from unrolled.estimators.tagger import SequenceTagger
    from unrolled.layers import Ragged, Recurrent, Regularise, State, truncated
    from unrolled.layers.convert import convert
    from unrolled.layers.torch_compatible import GRU, LSTM, RNN
    from unrolled.layers.torch_compatible_cells import GRUCell, LSTMCell, RNNCell
    from unrolled.models import LanguageModel, load_model
    from unrolled.models.classifier import Classifier
    from unrolled.models.encoder_decoder import EncoderDecoder
    from unrolled.models.forecaster import Forecaster
    from unrolled.models.music import MusicModel
    from unrolled.models.tagger import Tagger

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "Classifier",
    "EncoderDecoder",
    "Forecaster",
    "GRUCell",
    "LSTMCell",
    "LanguageModel",
    "MusicModel",
    "RNNCell",
    "Ragged",
    "Recurrent",
    "Regularise",
    "ReservoirClassifier",
    "ReservoirForecaster",
    "SequenceClassifier",
    "SequenceForecaster",
    "SequenceTagger",
    "State",
    "Tagger",
    "Vocabulary",
    "__version__",
    "cell",
    "cells",
    "convert",
    "equations",
    "load_model",
    "truncated",
]

_HOMES = {
    "Cell": "unrolled.equations",
    "cell": "unrolled.equations",
    "Ragged": "unrolled.layers",
    "Recurrent": "unrolled.layers",
    "Regularise": "unrolled.layers",
    "State": "unrolled.layers",
    "truncated": "unrolled.layers",
    "RNN": "unrolled.layers.torch_compatible",
    "GRU": "unrolled.layers.torch_compatible",
    "LSTM": "unrolled.layers.torch_compatible",
    "RNNCell": "unrolled.layers.torch_compatible_cells",
    "GRUCell": "unrolled.layers.torch_compatible_cells",
    "LSTMCell": "unrolled.layers.torch_compatible_cells",
    "convert": "unrolled.layers.convert",
    "LanguageModel": "unrolled.models",
    "load_model": "unrolled.models",
    "Classifier": "unrolled.models.classifier",
    "EncoderDecoder": "unrolled.models.encoder_decoder",
    "Forecaster": "unrolled.models.forecaster",
    "MusicModel": "unrolled.models.music",
    "Vocabulary": "unrolled.data.vocabulary",
    "Tagger": "unrolled.models.tagger",
    "SequenceClassifier": "unrolled.estimators.classifier",
    "SequenceForecaster": "unrolled.estimators.forecaster",
    "SequenceTagger": "unrolled.estimators.tagger",
    "ReservoirClassifier": "unrolled.estimators.reservoir",
    "ReservoirForecaster": "unrolled.estimators.reservoir",
}
_MODULES = ("cells", "equations")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"unrolled.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
