"""`unrolled train tag`: a label for each step of a sequence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.training_run import DATA, MODEL, RUN, TRAINING, options_of, show_training
from unrolled.data.settings import ReadSettings
from unrolled.training.tag_settings import TaggerSettings, TagSettings


def tag(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    validation_data: Annotated[tuple[str, ...], Parameter(group=DATA, negative="")] = (),
    model: Annotated[TaggerSettings, Parameter(name="*", group=MODEL)] = TaggerSettings(),
    training: Annotated[TagSettings, Parameter(name="*", group=TRAINING)] = TagSettings(),
    data: Annotated[ReadSettings, Parameter(name="*", group=DATA)] = ReadSettings(),
    run: Annotated[Path | None, Parameter(group=RUN)] = None,
    json: Annotated[Switch, Parameter(group=RUN)] = False,
) -> None:
    """Train a tagger: a label for each step, such as the names in a sentence or the part of speech of each word.

    A recurrent network reads the sequence in both directions and scores every tag at every step; a CRF chooses all
    tags of a sequence together. Of words it sees an embedding, the shape (capitals, digits) and the characters, so
    that it can say something about words it never saw.

    CoNLL files hold a word a line with its tag in the last column, and a blank line between sentences. Tags that mark
    entities may be written in any scheme (B-person I-person O, or IOB1, BIOES, BILOU); the model kept is the best by
    entities found with exact borders and type, else by the share of right tags.

    Examples:

    - `unrolled train tag train.conll --validation-data dev.conll`
    - `unrolled train tag news.conll --run runs/names --hidden 200 --minutes 10`
    - `unrolled train tag en-train.conllu --output softmax` (CoNLL-U: the part of speech of each word)
    - `unrolled train tag train.conll --label 2 --text 1` (which columns)
    - `unrolled evaluate runs/names test.conll`, then `unrolled predict runs/names new.conll`

    Parameters
    ----------
    paths
        Files of one kind, or folders that hold them.
    validation_data
        Files to validate on, instead of a share of the training data.
    run
        Folder to make for this run; it must not exist yet, or be empty. [default: runs/tag-DATE-N]
    json
        Print the result as JSON on standard output; progress goes to standard error.
    """
    refuse_options(
        paths,
        [*options_of(TaggerSettings, TagSettings, ReadSettings), "validation_data"],
        "unrolled train tag",
    )
    from unrolled.training.tagging import train_tagger

    show_training(
        lambda report: train_tagger(paths, data, model, training, validation_data, run, report),
        json,
        "unrolled evaluate {run} DATA, or unrolled predict {run} DATA",
    )
