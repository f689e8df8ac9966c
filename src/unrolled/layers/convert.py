"""`convert`: the recurrent modules of torch.nn inside a model become ours, with their parameters as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from unrolled.errors import SettingError
from unrolled.layers.torch_compatible import GRU, LSTM, RNN
from unrolled.layers.torch_compatible_call import cell_name, engine_of
from unrolled.layers.torch_compatible_cells import GRUCell, LSTMCell, RNNCell

OURS: Mapping[type[nn.Module], type[RNN | GRU | LSTM | RNNCell | GRUCell | LSTMCell]] = {
    nn.RNN: RNN,
    nn.GRU: GRU,
    nn.LSTM: LSTM,
    nn.RNNCell: RNNCell,
    nn.GRUCell: GRUCell,
    nn.LSTMCell: LSTMCell,
}
NAMES = {kind.__name__ for kind in OURS}
HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


@dataclass(frozen=True)
class Change:
    """A module that is now ours: its name in the model, its class, the engine that runs it, and its hooks."""

    name: str
    kind: str
    engine: str
    hooks: int


@dataclass(frozen=True)
class Kept:
    """A recurrent module that was left as it is, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Conversion:
    """What `convert` did; it prints as a table."""

    changed: tuple[Change, ...]
    kept: tuple[Kept, ...]

    def __str__(self) -> str:
        rows = [(one.name, one.kind, f"runs on {one.engine}{_hooks(one.hooks)}") for one in self.changed]
        rows += [(one.name, one.kind, f"left alone: {one.reason}") for one in self.kept]
        if not rows:
            return "no recurrent modules of torch.nn: nothing was changed"
        return _table([("module", "class", "now"), *rows])


def _hooks(count: int) -> str:
    return f"; hooks that stay: {count}" if count else ""


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    first, second = (max(len(row[i]) for row in rows) for i in range(2))
    return "\n".join(f"{a:<{first}}  {b:<{second}}  {c}" for a, b, c in rows)


def convert(model: nn.Module, *, engine: str | None = None) -> tuple[nn.Module, Conversion]:
    """Make every RNN, GRU, LSTM and RNNCell, GRUCell, LSTMCell of torch.nn in a model ours, in place.

    Each module stays the object it is and only changes its class: parameters, optimizers, hooks, training mode and
    everything else that refers to it stay as they are.

    Args:
        model: any module; it may be one of these itself.
        engine: the name of an engine; by default each module gets the first that accepts it. A module that only the
            reference engine would run is then left alone, for torch's own is faster.

    Returns:
        The model, and a `Conversion` that says which modules changed, what runs them, and what was left alone and why.

    Raises:
        SettingError: the model is no module.
        EngineError: the named engine cannot run one of the modules; nothing has been changed then.

    Example:
        >>> model = nn.Sequential(nn.Embedding(11, 4), nn.LSTM(4, 8))
        >>> model, report = convert(model, engine="reference")
        >>> print(report)
        module  class  now
        1       LSTM   runs on reference
    """
    if not isinstance(model, nn.Module):
        raise SettingError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Give the module itself."
        )
    found = [(name or "(the model)", one) for name, one in model.named_modules() if _is_recurrent(one)]
    engines = {id(one): _engine(one, engine) for _, one in found if type(one) in OURS}
    changed, kept = list[Change](), list[Kept]()
    for name, one in found:
        kind = type(one).__name__
        reason = _refusal(one, engines.get(id(one)), engine)
        if reason is not None:
            kept.append(Kept(name, kind, reason))
            continue
        # The same object with another class: whoever holds it, an optimizer, a hook, a second name, still does.
        one.__class__ = OURS[type(one)]
        one._engine_name = engine
        changed.append(Change(name, kind, engines[id(one)], sum(len(getattr(one, hooks)) for hooks in HOOKS)))
    return model, Conversion(tuple(changed), tuple(kept))


def _is_recurrent(module: nn.Module) -> bool:
    known = isinstance(module, (nn.RNNBase, nn.RNNCellBase))
    return known or getattr(module, "original_name", type(module).__name__) in NAMES


def _engine(module: nn.Module, name: str | None) -> str:
    """The engine that would run a module of torch.nn."""
    like = next(module.parameters())
    return engine_of(cell_name(module) or "elman", like.device, like.dtype, name).name


def _refusal(module: nn.Module, found: str | None, named: str | None) -> str | None:
    """Why a recurrent module is left alone, if it is."""
    kind = type(module)
    if kind in OURS.values():
        return "it is ours already"
    if kind not in OURS:
        return f"its class is {kind.__module__}.{kind.__qualname__}, whose calls may differ from torch.nn's"
    if "forward" in vars(module):
        return "its forward has been replaced"
    if found == "reference" and named is None:
        like = next(module.parameters())
        return f"only the reference engine runs {like.dtype} on {like.device}, and torch's own is faster"
    return None
