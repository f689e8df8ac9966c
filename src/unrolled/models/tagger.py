"""The tagger: a label for every step of a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unrolled.cells import find
from unrolled.data.inputs import FrameInput, Input, input_from_json
from unrolled.data.labels import Labels
from unrolled.data.usual_tags import UsualTags
from unrolled.data.word_input import WordInput
from unrolled.equations import Cell
from unrolled.errors import SettingError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.models.crf import LinearChainCRF
from unrolled.models.front import Front, front_of
from unrolled.models.kept import Kept, check_no_statics
from unrolled.models.words import Words

OUTPUTS = ("crf", "softmax")


class Tagger(Kept):
    """Many-to-many, one label for each step: sequence -> front -> recurrent layers -> linear -> CRF or softmax.

        e_t = V [h_t forward, h_t backward] + c
        P(y | x) = softmax(e_t)[y_t] for every step, or that of a linear-chain CRF for all of them together

    Args:
        input: what is read: an `Input` (words with their characters, text by character, frames, pictures), or I for
            frames of I numbers taken as they are.
        tags: the K tags: `Labels`, their names, or K.
        cell: a `Cell`, or the name of one in the catalogue; the characters of words are read by one of the same kind.
        hidden_size, num_layers, bidirectional: of the recurrent layers.
        output: "crf" or "softmax".
        constrained: what the BIO scheme forbids is never answered; of a CRF only.
        embedding_size: I of a learned embedding of words or characters, or of what pictures are turned into.
        letter_size, spelling_size: of words: the embedding of characters, and H of the layer that reads them.
        dropout: of the front's output, between layers, and of the outputs; half as much of the letters of words.
        unknown: a; while training a word that occurred n times is read as `<unk>` with probability a / (a + n).
        usual: the tag each word had most often in training, to compare with.

    Example:
        >>> model = Tagger(3, ["O", "B-beat", "I-beat"], "gru", hidden_size=8)
        >>> batch = Ragged(torch.zeros(6, 3), [4, 2])
        >>> model(batch).values.shape, model.decode(batch).values.shape
        (torch.Size([6, 3]), torch.Size([6]))
        >>> model.loss(batch, torch.zeros(6, dtype=torch.long)).backward()

    Raises:
        SettingError: an unknown cell, output or option.
        ShapeError: tags that do not fit the steps.

    Papers: Huang et al. 2015, Bidirectional LSTM-CRF models for sequence tagging; Lample et al. 2016.
    """

    architecture: ClassVar[str] = "tagger"

    def __init__(
        self,
        input: Input | int,
        tags: Labels | Sequence[str] | int,
        cell: Cell | str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        *,
        output: str = "crf",
        constrained: bool = False,
        embedding_size: int | None = None,
        letter_size: int = 32,
        spelling_size: int = 32,
        dropout: float = 0.0,
        unknown: float = 0.0,
        usual: UsualTags | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise SettingError(f"output must be {' or '.join(OUTPUTS)}, got {output!r}; use one of these")
        if constrained and output != "crf":
            raise SettingError("constrained needs output='crf', got softmax; leave it out, or use a CRF")
        self.input = FrameInput.of(input) if isinstance(input, int) else input
        self.tags = Labels.of(tags)
        self.cell = find(cell) if isinstance(cell, str) else cell
        check_no_statics(self.cell, "tagger")
        self.reading = dict(reading or {})
        self.usual = usual or UsualTags(self.tags.names[self.tags.most_frequent], {})
        self.options: dict[str, Any] = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "bidirectional": bidirectional,
            "output": output,
            "constrained": constrained,
            "embedding_size": embedding_size,
            "letter_size": letter_size,
            "spelling_size": spelling_size,
            "dropout": dropout,
            "unknown": unknown,
        }
        self.front = self._front()
        self.recurrent = Recurrent(
            self.cell,
            self.front.size,
            hidden_size,
            num_layers,
            bidirectional,
            sizes=dict.fromkeys(self.cell.named_sizes, hidden_size),
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.recurrent.output_size, len(self.tags))
        # A model that has learned nothing answers the most frequent tag.
        shares = torch.tensor(self.tags.counts, dtype=self.output.bias.dtype) + 1
        self.output.bias.data = (shares / shares.sum()).log()
        self.crf = LinearChainCRF(self.tags.names, constrained) if output == "crf" else None

    def _front(self) -> Front | Words:
        size, unknown = self.options["embedding_size"], self.options["unknown"]
        if not isinstance(self.input, WordInput):
            return front_of(self.input, size)
        if size is None:
            raise SettingError("words need embedding_size, got none; name one, such as 64")
        sizes = self.options["letter_size"], self.options["spelling_size"]
        return Words(self.input, size, self.cell, *sizes, unknown, self.options["dropout"] / 2)

    def forward(self, x: Any, lengths: Tensor | Sequence[int] | None = None) -> Any:
        """Emissions of every step: ragged (N, ...) to ragged (N, K), or (T, B, ...) with `lengths` to (T, B, K)."""
        batch = _ragged(x, lengths)
        return _as_given(self._emissions(batch), x)

    def _emissions(self, batch: Ragged) -> Ragged:
        values = self.front(batch.values)
        if values.is_floating_point():
            values = self.dropout(values)
        outputs, _ = self.recurrent(batch.with_values(values))
        emissions: Ragged = outputs.map(lambda found: self.output(self.dropout(found)))
        return emissions

    def loss(
        self, x: Ragged | Tensor, tags: Ragged | Tensor, lengths: Tensor | Sequence[int] | None = None
    ) -> Tensor:
        """-1/N log P(tags | x), the mean over the N steps; `tags` (N,), or (T, B) where x is padded.

        Raises ShapeError for tags that do not fit.
        """
        emissions = self._emissions(_ragged(x, lengths))
        return self.loss_of(emissions, _values(tags, emissions, padded=not isinstance(x, Ragged)))

    def loss_of(self, emissions: Ragged, tags: Tensor) -> Tensor:
        """What `loss` answers for these emissions and tags (N,)."""
        if self.crf is None:
            return cross_entropy(emissions.values, tags)
        return -self.crf.log_likelihood(emissions, tags).sum() / max(1, emissions.total)

    @torch.no_grad()
    def decode(self, x: Any, lengths: Tensor | Sequence[int] | None = None) -> Any:
        """The best tags: of a CRF the most probable row of tags, else the most probable one of every step.

        Ragged (N,), or (T, B) with zeros beyond the ends where x is padded.
        """
        emissions = self._emissions(_ragged(x, lengths))
        found = self.best(emissions)
        return _as_given(found, x)

    def best(self, emissions: Ragged) -> Ragged:
        """What `decode` answers for these emissions."""
        return self.crf.decode(emissions) if self.crf else emissions.map(lambda one: one.argmax(1))

    @torch.no_grad()
    def probabilities(self, x: Any, lengths: Tensor | Sequence[int] | None = None) -> Any:
        """P(y_t = k | x) of every step: Ragged (N, K), or (T, B, K) where x is padded."""
        emissions = self._emissions(_ragged(x, lengths))
        return _as_given(self.marginals(emissions), x)

    def marginals(self, emissions: Ragged) -> Ragged:
        """What `probabilities` answers for these emissions."""
        return self.crf.marginals(emissions) if self.crf else emissions.map(lambda one: one.softmax(1))

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and options."""
        return dict(self.options)

    @property
    def contents(self) -> dict[str, Any]:
        """The input, the tags, the usual tag of every word, and how files are read."""
        return {
            "input": self.input.to_json(),
            "tags": self.tags.to_json(),
            "usual": self.usual.to_json(),
            "reading": self.reading,
        }

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        read, tags = input_from_json(contents["input"]), Labels.from_json(contents["tags"])
        usual = UsualTags.from_json(contents["usual"])
        return cls(read, tags, cell, **settings, usual=usual, reading=contents["reading"])


def _ragged(x: Ragged | Tensor, lengths: Tensor | Sequence[int] | None) -> Ragged:
    return x if isinstance(x, Ragged) else Ragged.from_padded(x, lengths)


def _as_given(found: Ragged, x: Ragged | Tensor) -> Ragged | Tensor:
    return found if isinstance(x, Ragged) else found.padded(steps=len(x))


def _values(tags: Ragged | Tensor, emissions: Ragged, padded: bool) -> Tensor:
    if isinstance(tags, Ragged):
        values = tags.values
    else:
        values = Ragged.from_padded(tags, emissions.lengths).values if padded and tags.dim() == 2 else tags
    if values.shape != (emissions.total,):
        raise ShapeError(
            f"tags must be one for each of the {emissions.total} steps, got {tuple(values.shape)}; give (N,)"
        )
    return values
