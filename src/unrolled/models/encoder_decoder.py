"""The encoder-decoder: one text in, another of any length out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout as dropped

from unrolled.cells import find
from unrolled.data.vocabulary import END, Vocabulary
from unrolled.equations import Cell
from unrolled.errors import SettingError, ShapeError
from unrolled.layers.attention import LuongAttention, Memories
from unrolled.layers.conditioned import Conditioned
from unrolled.layers.context import CONTEXT, with_context
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import CellState, State
from unrolled.models.embedding import tied_embedding
from unrolled.models.kept import Kept, check_no_statics
from unrolled.models.output import Output

CONDITIONS = ("attention", "context", "state")


@dataclass(frozen=True)
class Encoded:
    """B sources as the decoder sees them.

    `state` is what it begins with, `context` (B, C) what its cell reads at every step (condition "context"), and
    `memories` what it attends to (condition "attention").
    """

    state: State
    context: Tensor | None
    memories: Memories | None

    def rows(self, index: Tensor) -> Encoded:
        """Those of some sources."""
        context = None if self.context is None else self.context[index]
        return Encoded(
            self.state.rows(index), context, None if self.memories is None else self.memories.rows(index)
        )


class EncoderDecoder(Kept):
    """P(target | source): an encoder reads the source, a decoder writes the target symbol by symbol.

        m_1 ... m_S = encoder(source),    v = its final states, all layers and directions side by side
        h_t = decoder(y_{t-1}, h_{t-1}),  every state of h_0 a projection of v (the bridge)
        P(y_t | y_1 ... y_{t-1}, source) = softmax(V r_t + c)

    What the decoder sees of the source is its condition: with "state" h_0 only, r_t = h_t (Sutskever et al. 2014,
    arXiv:1409.3215); with "context" also v, a static input of its cell (`with_context`; Cho et al. 2014,
    arXiv:1406.1078); with "attention" also all m_s, r_t = tanh(W_c [c_t, h_t]) (`LuongAttention`; Luong et al. 2015,
    arXiv:1508.04025). None of them puts work into the loop over the steps: with a given target (teacher forcing) the
    decoder runs once over all steps of all rows, on the fast engine.

    `<eos>` ends every target, and is also what the decoder reads first, the `<bos>` of others. There is no `<pad>`:
    rows are as long as they are. Named sizes of the cells are `hidden_size`.

    Args:
        source, target: the vocabularies.
        cell: of the encoder, a `Cell` or the name of one; also of the decoder, unless `decoder_cell` is given.
        hidden_size: H, of each direction of the encoder, and of the decoder.
        num_layers: L of both.
        embedding_size: E of the learned vectors of both vocabularies.
        bidirectional: whether the encoder also reads backwards.
        bridge: projections from the encoder's final states to the decoder's first ones. Without it they are handed
            over as they are: for an encoder in one direction and a decoder of the same cell.
        condition: "attention", "context" or "state".
        attention: "general" or "dot", the score; with "dot" the outputs of the encoder's directions are added, not
            concatenated. None stands for "general", and only condition "attention" has one.
        tied: the output layer's weights are the target's embedding (Press and Wolf 2017, arXiv:1608.05859); r_t then
            has E numbers, without attention by a linear map.
        dropout: of embedded symbols, between layers and of r_t.
        decoder_cell: of the decoder.
        reading: how the files it learns from are read, kept for those to come.

    Raises:
        SettingError: an unknown cell, condition or score, a cell with static inputs, sizes or options that do not fit.

    Example:
        >>> texts = Vocabulary.from_text(["hola"])
        >>> model = EncoderDecoder(texts, texts, hidden_size=8, embedding_size=4)
        >>> sources = Ragged.from_rows([texts.encode("hola"), texts.encode("lo")])
        >>> targets = Ragged.from_rows([[*texts.encode("aloh"), END], [*texts.encode("ol"), END]])
        >>> loss, nats, symbols = model.loss(sources, targets)
        >>> symbols
        8
    """

    architecture: ClassVar[str] = "encoder_decoder"

    def __init__(
        self,
        source: Vocabulary,
        target: Vocabulary,
        cell: Cell | str = "gru",
        hidden_size: int = 256,
        num_layers: int = 1,
        embedding_size: int = 256,
        *,
        bidirectional: bool = True,
        bridge: bool = True,
        condition: Literal["attention", "context", "state"] = "attention",
        attention: Literal["general", "dot"] | None = None,
        tied: bool = True,
        dropout: float = 0.2,
        decoder_cell: Cell | str | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        sizes = {"hidden_size": hidden_size, "num_layers": num_layers, "embedding_size": embedding_size}
        _check(sizes, condition, attention, dropout)
        self.source, self.target = source, target
        self.cell = find(cell) if isinstance(cell, str) else cell
        self.decoder_cell = find(decoder_cell) if isinstance(decoder_cell, str) else decoder_cell or self.cell
        for used in (self.cell, self.decoder_cell):
            check_no_statics(used, "encoder-decoder")
        self.condition, self.dropout, self.reading = condition, dropout, dict(reading or {})
        self.options: dict[str, Any] = {
            **sizes,
            "bidirectional": bidirectional,
            "bridge": bridge,
            "condition": condition,
            "attention": attention,
            "tied": tied,
            "dropout": dropout,
        }
        self.source_embedding = tied_embedding(len(source), embedding_size)
        self.target_embedding = tied_embedding(len(target), embedding_size)
        self.encoder = self._layers(self.cell, bidirectional, "sum" if attention == "dot" else "concat")
        if not bridge:
            _check_handed(self.encoder, self.cell, self.decoder_cell)
        vector = sum(value.shape[-1] for value in _final(self.encoder._start_state(1)))
        if condition == "context":
            self.decoder = self._layers(with_context(self.decoder_cell), sizes={CONTEXT: vector})
        else:
            self.decoder = self._layers(self.decoder_cell)
        self.bridge = Conditioned(self.decoder, vector) if bridge else None
        width = embedding_size if tied else self.decoder.output_size
        self.attention = self._attention(width, attention or "general")
        plain = self.attention is not None or width == self.decoder.output_size
        self.spread = None if plain else nn.Linear(self.decoder.output_size, width, bias=False)
        weight = self.target_embedding.get_parameter("weight") if tied else None
        self.output = Output(width, len(target), tied=weight)

    def _layers(
        self,
        cell: Cell,
        bidirectional: bool = False,
        merge: str = "concat",
        sizes: Mapping[str, int] | None = None,
    ) -> Recurrent:
        hidden, layers = self.options["hidden_size"], self.options["num_layers"]
        return Recurrent(
            cell,
            self.options["embedding_size"],
            hidden,
            layers,
            bidirectional,
            sizes={**dict.fromkeys(cell.named_sizes, hidden), **(sizes or {})},
            merge=merge,
            dropout=self.dropout if layers > 1 else 0.0,
        )

    def _attention(self, width: int, score: Literal["general", "dot"]) -> LuongAttention | None:
        if self.condition != "attention":
            return None
        return LuongAttention(self.decoder.output_size, self.encoder.output_size, width, score)

    # --- what is computed ------------------------------------------------------------------------

    def forward(self, sources: Ragged, targets: Ragged) -> Ragged:
        """Sources (N,) and the targets (M,) of the same rows, each with its `<eos>`, to the logits (M, V) of these."""
        return self.read(sources, targets).map(self.output.logits)

    def loss(self, sources: Ragged, targets: Ragged, smoothing: float = 0.0) -> tuple[Tensor, float, int]:
        """The mean loss of the target symbols, their mean nats, and how many there are.

            loss = (1 - e) * (-log P(y_t)) + e * mean over all symbols of -log P

        with e = `smoothing` (Szegedy et al. 2016, arXiv:1512.00567); the nats are those without it. The (M, V) logits
        are never held.

        Args:
            sources: indices (N,), rows without `<eos>`.
            targets: indices (M,) of the same rows; each ends with `<eos>` and does not begin with it.
            smoothing: e, from 0 to less than 1.
        """
        if not 0 <= smoothing < 1:
            raise SettingError(f"the label smoothing must be from 0 to less than 1, got {smoothing}")
        read, wanted = self.read(sources, targets).values, targets.values.long()
        nats = self.output.loss(read, wanted)
        if not smoothing:
            return nats, float(nats.detach()), targets.total
        # mean -log P over the symbols = -log P(y) + z_y - mean z: only two products by row, whatever V is.
        weight, bias = self.output.weight, self.output.bias
        above = ((weight[wanted] - weight.mean(0)) * read).sum(1) + bias[wanted] - bias.mean()
        return nats + smoothing * above.mean(), float(nats.detach()), targets.total

    def read(self, sources: Ragged, targets: Ragged) -> Ragged:
        """What the output layer reads before each target symbol, (M, n): teacher forcing in one run."""
        if sources.batch_size != targets.batch_size:
            raise ShapeError(
                f"every source needs its target, got {sources.batch_size} sources and {targets.batch_size} targets. "
                "Match them."
            )
        encoded = self.encode(sources)
        static = None if encoded.context is None else {CONTEXT: encoded.context}
        before = targets.with_values(_shifted(targets))
        outputs, _ = self._run(self.decoder, self.target_embedding, before, encoded.state, static)
        if self.attention is not None and encoded.memories is not None:
            outputs = self.attention(outputs, encoded.memories)
        elif self.spread is not None:
            outputs = outputs.map(self.spread)
        return outputs.map(self._dropped)

    def encode(self, sources: Ragged) -> Encoded:
        """Sources (N,) of B rows as the decoder sees them."""
        outputs, end = self._run(self.encoder, self.source_embedding, sources, None, None)
        vector = torch.cat(_final(end), -1)
        state = _handed(end) if self.bridge is None else self.bridge(vector)
        memories = None if self.attention is None else self.attention.prepare(outputs)
        return Encoded(state, vector if self.condition == "context" else None, memories)

    def step(self, symbols: Tensor, state: State, encoded: Encoded) -> tuple[Tensor, State, Tensor | None]:
        """One more symbol for R beginnings of each of B targets.

        Args:
            symbols: (B, R), the last ones; `<eos>` before the first.
            state: after the symbols before, of B * R rows, those of a source side by side.
            encoded: the B sources.

        Returns:
            What the output layer reads before the next symbols (B, R, n), the state, and with attention the weights
            (B, R, S).
        """
        rows, beginnings = symbols.shape
        static = None
        if encoded.context is not None:
            static = {CONTEXT: encoded.context.repeat_interleave(beginnings, 0)}
        flat = symbols.reshape(1, -1)
        output, state = self.decoder(flat, state, static=static, table=self.target_embedding.weight)
        read, weights = output[0].view(rows, beginnings, -1), None
        if self.attention is not None and encoded.memories is not None:
            read, weights = self.attention.step(read, encoded.memories)
        elif self.spread is not None:
            read = self.spread(read)
        return read, state, weights

    def _run(
        self,
        layer: Recurrent,
        embedding: nn.Embedding,
        symbols: Ragged,
        state: State | None,
        static: Mapping[str, Tensor] | None,
    ) -> tuple[Ragged, State]:
        if not (self.training and self.dropout):
            output, end = layer(symbols, state, static=static, table=embedding.weight)
            return output, end
        output, end = layer(
            symbols.map(lambda values: self._dropped(embedding(values))), state, static=static
        )
        return output, end

    def _dropped(self, values: Tensor) -> Tensor:
        return dropped(values, self.dropout, self.training)

    # --- what it is made of ----------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """What `__init__` needs besides the vocabularies and the encoder's cell to build this model again."""
        same = self.decoder_cell is self.cell
        own = None if same else {"name": self.decoder_cell.name, "equations": self.decoder_cell.text}
        return {**self.options, "decoder_cell": own, "reading": self.reading}

    @property
    def contents(self) -> dict[str, Any]:
        """Both vocabularies, for `vocabulary.json`."""
        return {"source": self.source.to_json(), "target": self.target.to_json()}

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        own = settings["decoder_cell"]
        decoder = None if own is None else Cell.from_text(own["equations"], filename="model.json")
        source, target = (Vocabulary.from_json(contents[side]) for side in ("source", "target"))
        return cls(source, target, cell, **{**settings, "decoder_cell": decoder})


def _shifted(targets: Ragged) -> Tensor:
    """The symbol before each one, `<eos>` before the first of a row."""
    values = targets.values.long()
    before = values.roll(1)
    starts = targets.extents.starts[targets.lengths > 0]
    before[starts.to(before.device)] = END
    return before


def _final(state: State) -> list[Tensor]:
    """The newest value (B, n) of every state of every layer and direction."""
    return [value[0] for cell in state.cells for value in cell.values.values()]


def _handed(state: State) -> State:
    """The same values for another layer, whose clock begins now."""
    return State([CellState(cell.values, torch.zeros_like(cell.clock)) for cell in state.cells])


def _check(sizes: Mapping[str, int], condition: str, attention: str | None, dropout: float) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise SettingError(f"{name} must be at least 1, got {size}")
    if condition not in CONDITIONS:
        raise SettingError(f"condition must be {', '.join(CONDITIONS)}, got {condition!r}; use one of these")
    if attention is not None and condition != "attention":
        raise SettingError(
            f"attention={attention!r} is for condition attention, got {condition}; leave it out"
        )
    if not 0 <= dropout < 1:
        raise SettingError(f"dropout must be from 0 to less than 1, got {dropout}")


def _check_handed(encoder: Recurrent, cell: Cell, decoder: Cell) -> None:
    if encoder.bidirectional:
        raise SettingError(
            "without a bridge the decoder takes the encoder's states as they are, and two directions have twice as "
            "many; give bidirectional=False, or the bridge"
        )
    if cell.graph != decoder.graph:
        raise SettingError(
            f"without a bridge both cells must be one, got {cell.name} and {decoder.name}; leave out one, or give the "
            "bridge"
        )
