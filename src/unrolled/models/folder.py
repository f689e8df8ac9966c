"""The model folder: `model.json`, `model.safetensors`, `vocabulary.json`. No pickle is ever read."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from unrolled import __version__
from unrolled.equations import Cell
from unrolled.errors import FolderError, UnrolledError
from unrolled.models.kept import Kept
from unrolled.models.writing import write_atomically

FORMAT = 1
DESCRIPTION, WEIGHTS, VOCABULARY = "model.json", "model.safetensors", "vocabulary.json"
_ARCHITECTURES = {
    "language": ("unrolled.models.language", "LanguageModel", "a language model"),
    "classifier": ("unrolled.models.classifier", "Classifier", "a classifier"),
    "tagger": ("unrolled.models.tagger", "Tagger", "a tagger"),
    "forecaster": ("unrolled.models.forecaster", "Forecaster", "a forecaster"),
    "music": ("unrolled.models.music", "MusicModel", "a music model"),
    "echo_state": ("unrolled.models.echo_state", "EchoStateNetwork", "an echo-state network"),
    "encoder_decoder": ("unrolled.models.encoder_decoder", "EncoderDecoder", "an encoder-decoder"),
}
"""By name in `model.json`: the module, the class, and what a person calls it."""

Model = TypeVar("Model", bound=Kept)


def save_model(model: Kept, folder: str | Path) -> None:
    """Write a model folder; a failed write leaves the files that were there.

    Raises:
        FolderError: it cannot be written.
    """
    folder = Path(folder)
    description = _describe(model)
    vocabulary = model.contents
    again = _written_once(model)
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if name not in again
    }
    # The weights carry the mark of the architecture they belong to: three files cannot be renamed at once.
    weights = save(tensors, metadata={"belongs_to": _mark(description, vocabulary)})
    write_atomically(folder / VOCABULARY, _as_json(vocabulary))
    write_atomically(folder / DESCRIPTION, _as_json(description))
    write_atomically(folder / WEIGHTS, weights)


@overload
def load_model(folder: str | Path) -> Kept: ...
@overload
def load_model(folder: str | Path, kind: type[Model]) -> Model: ...
def load_model(folder: str | Path, kind: type[Any] = object) -> Any:
    """Read the model in a model folder, or in the run folder that holds one; one of `kind`, if that is said.

    Raises:
        FolderError: no model there, a file missing or damaged, a newer format, weights of another model.
    """
    folder = find_model_folder(folder)
    description = _read_json(folder / DESCRIPTION)
    _check_format(folder, description)
    _check_kind(folder, description, kind)
    content = _read_json(folder / VOCABULARY)
    tensors, mark = _read_weights(folder / WEIGHTS)
    try:
        model = _build(description, content)
    except (UnrolledError, KeyError, TypeError) as error:
        detail = f"no {error}" if isinstance(error, KeyError) else error
        raise FolderError(
            f"{folder}: the model cannot be built from its description ({detail}); train it again"
        ) from error
    _fill(model, tensors, folder / WEIGHTS)
    if mark != _mark(description, content):
        raise FolderError(
            f"{folder}: {WEIGHTS} belongs to another {DESCRIPTION} or {VOCABULARY}; restore the three files "
            "together, or train again"
        )
    return model.eval()


def find_model_folder(folder: str | Path) -> Path:
    """The model folder meant by `folder`: itself, or `model` inside a run folder.

    Raises:
        FolderError: neither is one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FolderError(
            f"{folder}: no such folder; give a run folder such as runs/lm-...; ls runs lists them"
        )
    for place in (folder / "model", folder):
        if (place / DESCRIPTION).is_file():
            return place
    raise FolderError(
        f"{folder}: no {DESCRIPTION} here, so this holds no model; train one with --run {folder}-new"
    )


def _build(description: dict[str, Any], contents: dict[str, Any]) -> Kept:
    cell = Cell.from_text(description["cell"]["equations"], filename=DESCRIPTION)
    # Reading a model must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        model: Kept = _class_of(description).restored(contents, cell, description["settings"])
    return model


def _class_of(description: dict[str, Any]) -> Any:
    name = description["architecture"]
    if name not in _ARCHITECTURES:
        raise FolderError(f"architecture {name!r} is unknown, this version has {', '.join(_ARCHITECTURES)}")
    module, attribute, _ = _ARCHITECTURES[name]
    return getattr(import_module(module), attribute)


def _check_kind(folder: Path, description: dict[str, Any], kind: type[Any]) -> None:
    name = description.get("architecture")
    if name not in _ARCHITECTURES or issubclass(_class_of(description), kind):
        return
    wanted = next(what for _, known, what in _ARCHITECTURES.values() if known == kind.__name__)
    raise FolderError(f"{folder}: must hold {wanted}, got {_ARCHITECTURES[name][2]}; name another run")


def _describe(model: Kept) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "architecture": model.architecture,
        "settings": model.settings,
        "cell": {"name": model.cell.name, "equations": model.cell.text},
        "sizes": {"parameters": model.number_of_parameters},
        "versions": {
            "unrolled": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def _mark(description: dict[str, Any], vocabulary: dict[str, Any]) -> str:
    parts = [description.get(key) for key in ("architecture", "settings", "cell")]
    return hashlib.sha256(json.dumps([parts, vocabulary], sort_keys=True).encode()).hexdigest()


def _as_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _check_format(folder: Path, description: dict[str, Any]) -> None:
    found = description.get("format")
    if not isinstance(found, int) or found < 1:
        raise FolderError(
            f"{folder / DESCRIPTION}: no format number, so unrolled did not write it; train again"
        )
    if found > FORMAT:
        raise FolderError(
            f"{folder / DESCRIPTION}: format {found} is newer than {FORMAT}, the newest this version reads; "
            "pip install --upgrade unrolled"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise _incomplete(path) from error
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except ValueError as error:
        raise FolderError(
            f"{path}: not valid JSON, the file is damaged; restore it, or train again"
        ) from error
    if not isinstance(content, dict):
        raise FolderError(f"{path}: must hold a JSON object, the file is damaged; restore it, or train again")
    return content


def _read_weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    try:
        with safe_open(path, framework="pt") as file:
            mark = (file.metadata() or {}).get("belongs_to")
            return {name: file.get_tensor(name) for name in file.keys()}, mark  # noqa: SIM118
    except FileNotFoundError as error:
        raise _incomplete(path) from error
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except SafetensorError as error:
        raise FolderError(f"{path}: the file is damaged ({error}); restore it, or train again") from error


def _incomplete(path: Path) -> FolderError:
    return FolderError(
        f"{path}: the file is missing, so the model folder is incomplete; copy all of {path.parent}, or train again"
    )


def _fill(model: Kept, tensors: dict[str, Tensor], path: Path) -> None:
    expected = model.state_dict()
    tensors = tensors | {
        name: tensors[first] for name, first in _written_once(model).items() if first in tensors
    }
    for name in sorted(expected.keys() | tensors.keys()):
        want, have = _shape(expected.get(name)), _shape(tensors.get(name))
        if want != have:
            raise FolderError(
                f"{path}: {name} must be {want}, got {have}; the files belong to different models, restore them "
                "together, or train again"
            )
    model.load_state_dict(tensors)


def _written_once(model: Kept) -> dict[str, str]:
    """Other names of parameters that have several, such as tied weights, and the name they are written under."""
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        first.setdefault(id(parameter), name)
    every = model.named_parameters(remove_duplicate=False)
    return {name: first[id(parameter)] for name, parameter in every if first[id(parameter)] != name}


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{tuple(tensor.shape)}"
