import json
import tomllib

import numpy as np
import pytest
import torch

from unrolled.cells import find
from unrolled.data.pair_settings import PairSettings
from unrolled.data.pairs import Bad, Pair
from unrolled.data.records import Place
from unrolled.data.synthetic.digits import digit_pairs
from unrolled.data.vocabulary import END
from unrolled.errors import DataError, SettingError
from unrolled.generation.translation import translate
from unrolled.inspection.translation import mean_nats
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.models.folder import load_model
from unrolled.training.events import Prepared, Sampled, Validated
from unrolled.training.run_in_memory import RunInMemory
from unrolled.training.translation import train_translator, translation_task
from unrolled.training.translation_settings import TranslateSettings, TranslatorSettings

SMALL = TranslatorSettings(hidden=6, embedding=5, unit="character")
SAYINGS = [
    ("go", "va"),
    ("go", "pars"),
    ("stop", "halte"),
    ("run", "cours"),
    ("eat", "mange"),
    ("sit", "assis"),
]


def pairs(sides=SAYINGS):
    return [Pair(source, target, Place("a.tsv", line)) for line, (source, target) in enumerate(sides, 1)]


def task(sides=SAYINGS, model=SMALL, kept_out=None, reading=None, **training):
    torch.manual_seed(1)
    return translation_task(
        pairs(sides), find(model.cell), model, TranslateSettings(**training), kept_out, reading
    )


def log_probability(model, source, target):
    """log P(target | source), each symbol from a run of its own over all before it: no batch, no shared step."""
    sources, total = torch.tensor(model.source.encode(source)), 0.0
    wanted = [*model.target.encode(target).tolist(), END]
    from unrolled.layers.ragged import Ragged

    for n, symbol in enumerate(wanted):
        before = [*wanted[:n], symbol]
        logits = model(Ragged(sources, [len(sources)]), Ragged(torch.tensor(before), [len(before)])).values[
            -1
        ]
        total += float(logits.double().log_softmax(0)[symbol])
    return total, len(wanted)


@torch.no_grad()
def test_the_validation_is_the_mean_over_all_symbols_of_all_targets():
    made = task(kept_out=pairs([("go", "va"), ("stop", "halte"), ("sit", "v")]))
    model = made.objective.model.eval()
    found = [log_probability(model, *sides) for sides in (("go", "va"), ("stop", "halte"), ("sit", "v"))]
    wanted = -sum(total for total, _ in found) / sum(symbols for _, symbols in found)
    assert made.objective.validate().loss == pytest.approx(wanted, abs=1e-5)
    assert mean_nats(model, made.objective.validation) == pytest.approx(wanted, abs=1e-5)
    assert sum(symbols for _, symbols in found) == 3 + 6 + 2


def test_smoothing_is_differentiated_and_not_reported():
    plain, smooth = (
        task(smoothing=value, model=SMALL.model_copy(update={"dropout": 0.0})) for value in (0.0, 0.3)
    )
    batch = plain.objective.training.batch(np.arange(3))
    total, loss, symbols, state = plain.objective.penalised(batch, None)
    assert float(total.detach()) == pytest.approx(float(loss))
    assert (symbols, state) == (batch[1].total, None)
    smoothed, reported, _, _ = smooth.objective.penalised(batch, None)
    logs = smooth.objective.model(*batch).values.log_softmax(1)
    assert float(smoothed.detach()) == pytest.approx(
        0.7 * float(reported) - 0.3 * float(logs.detach().mean()), abs=1e-5
    )
    assert float(reported) == pytest.approx(float(loss))
    assert smooth.objective.loss(batch, None)[0] == reported


def test_every_pair_comes_once_an_epoch():
    objective = task(batch=2, kept_out=pairs([("go", "va")])).objective
    source, target = objective.model.source, objective.model.target
    seen = [
        (source.decode(s.tolist()), target.decode(t.tolist()).removesuffix("<eos>"))
        for batch in objective.batches()
        for s, t in zip(*batch, strict=True)
    ]
    assert sorted(seen) == sorted(SAYINGS)
    assert objective.batches_per_epoch == 3


def test_the_exact_share_is_that_of_greedy_translations(monkeypatch):
    objective = task(
        kept_out=pairs([("go", "va"), ("go", "pars"), ("stop", "halte"), ("sit", "?")])
    ).objective
    assert objective.looked_at == [("go", ["va", "pars"]), ("stop", ["halte"]), ("sit", ["?"])]
    asked = []

    def answers(model, texts, width):
        asked.append((list(texts), width))
        return [[type("Found", (), {"text": {"go": "pars", "stop": "x"}.get(text, "?")})] for text in texts]

    monkeypatch.setattr("unrolled.training.translation.translate", answers)
    assert objective.validate().scores == {"exact": pytest.approx(2 / 3)}
    assert asked == [(["go", "stop", "sit"], 1)]
    assert objective.sample() == "go → pars | stop → x | sit → ?"


def test_sources_that_are_kept_out_are_not_trained_on_nor_in_the_vocabulary():
    sides = [(f"{n % 10}{chr(97 + n % 10)}", f"{n}") for n in range(30)]
    made = task(sides, validation=0.2)
    held = {source for source, _ in made.objective.looked_at}
    assert len(held) == 2
    assert not {text[1] for text in held} & set(made.objective.model.source.symbols)
    assert (len(made.objective.training), len(made.objective.validation)) == (24, 6)


def test_what_cannot_be_used_is_counted_in_the_notes():
    bad = Bad(Place("a.tsv", 9), "with an empty side", "the target is empty; add it")
    given = [*pairs(), bad, *pairs([("x" * 30, "y")])]
    settings = PairSettings(longest=20, skip_bad=True)
    made = translation_task(given, find("gru"), SMALL, TranslateSettings(), None, settings)
    assert made.prepared.notes[0] == "2 pairs left out: 1 with an empty side, 1 of more than 20 characters"
    assert "x" not in made.objective.model.source.symbols
    with pytest.raises(DataError, match=r"^a.tsv, line 9: the target is empty; add it, or leave out"):
        translation_task(given, find("gru"), SMALL, TranslateSettings())
    with pytest.raises(DataError, match=r"^no pair is left to train on"):
        translation_task([bad], find("gru"), SMALL, TranslateSettings(), None, settings)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("hidden", 7, lambda model: model.decoder.hidden_size == model.encoder.hidden_size == 7),
        ("layers", 2, lambda model: model.decoder.num_layers == model.encoder.num_layers == 2),
        ("embedding", 9, lambda model: model.source_embedding.weight.shape[1] == 9),
        ("bidirectional", False, lambda model: not model.encoder.bidirectional),
        ("condition", "context", lambda model: model.condition == "context"),
        ("condition", "state", lambda model: model.attention is None),
        ("attention", "dot", lambda model: model.options["attention"] == "dot"),
        ("tied", False, lambda model: not model.options["tied"]),
        ("dropout", 0.5, lambda model: model.dropout == 0.5),
        ("cell", "lstm", lambda model: model.cell.name == "lstm"),
        ("unit", "byte", lambda model: len(model.source) == len(model.target) == 258),
        ("minimum_count", 3, lambda model: set(model.source.symbols[2:]) < set("gostpruneatsi")),
        ("source_vocabulary", 4, lambda model: len(model.source) == 6 < len(model.target)),
        ("target_vocabulary", 4, lambda model: len(model.target) == 6 < len(model.source)),
    ],
)
def test_every_setting_reaches_the_model(name, value, found):
    model = task(
        model=TranslatorSettings(**{**SMALL.model_dump(exclude_unset=True), name: value})
    ).objective.model
    assert found(model)
    assert not found(task().objective.model)


def test_words_that_occur_once_are_unknown_unless_it_is_said():
    sides = [("go now", "va"), ("go", "va donc")]
    vocabularies = []
    for count in (None, 1):
        settings = TranslatorSettings(hidden=3, embedding=3, minimum_count=count)
        vocabularies.append(task(sides, model=settings, validation=0).objective.model.source.symbols[2:])
    assert vocabularies == [("go",), ("go", "now")]


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(SettingError, match=r"^--attention is of --condition attention; leave it out"):
        TranslatorSettings(condition="state", attention="dot")
    with pytest.raises(SettingError, match=r"^--target-vocabulary must be at least 256 with --unit bpe"):
        TranslatorSettings(unit="bpe", target_vocabulary=100)
    with pytest.raises(SettingError, match=r"^--lower is for --unit word"):
        TranslatorSettings(unit="character", lower=True)


def test_a_run_leaves_a_model_that_translates(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in SAYINGS * 3))
    events = []
    run = train_translator(
        [path],
        PairSettings(longest=50),
        SMALL,
        TranslateSettings(updates=4, validate_every=2, batch=4, seed=2, validation=0.3),
        run=tmp_path / "run",
        report=events.append,
    )
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert (config["task"], config["paths"], config["reading"]["longest"]) == ("translate", [str(path)], 50)
    assert (config["model"]["hidden"], config["training"]["seed"], config["training"]["batch"]) == (6, 2, 4)
    prepared = next(event for event in events if isinstance(event, Prepared))
    assert prepared.unit == "nats per target character"
    assert "attention over the source" in prepared.model
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.update for event in validated] == [0, 2, 4]
    assert all(set(event.scores) == {"exact"} for event in validated)
    assert all(" → " in event.text for event in events if isinstance(event, Sampled))
    assert len((run.path / "samples.jsonl").read_text().splitlines()) == 3
    model = load_model(run.path, EncoderDecoder)
    assert model.reading == {"longest": 50}
    assert json.loads((run.path / "metrics.jsonl").read_text().splitlines()[0])[
        "validation"
    ] == pytest.approx(validated[0].validation)
    assert [found[0].text for found in translate(model, ["go", "sit"])] == [
        found[0].text for found in translate(model, ["go", "sit"])
    ]


def test_a_file_to_validate_on_is_read_as_well(tmp_path):
    path, other = tmp_path / "a.tsv", tmp_path / "b.csv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in SAYINGS))
    other.write_text("go,va\n")
    events = []
    train_translator(
        [path],
        model=SMALL,
        training=TranslateSettings(updates=1),
        validation_paths=[other],
        run=tmp_path / "run",
        report=events.append,
    )
    prepared = next(event for event in events if isinstance(event, Prepared))
    assert prepared.data.startswith(
        "6 pairs of 2 to 4 characters and 2 to 5 characters to train on, 1 to validate on"
    )
    assert prepared.notes[0].startswith(f"{other}: source is column 1")


def test_nothing_is_written_where_data_is_refused(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("go\n")
    with pytest.raises(DataError, match=rf"^{path}, line 1: a pair must be source TAB target, got only 'go'"):
        train_translator([path], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_validation_the_last_model_is_kept_and_samples_are_of_what_is_trained_on():
    made = task(validation=0, updates=1)
    assert made.objective.validate() is None
    assert made.objective.sample().startswith("go → ")
    assert np.isnan(made.train(RunInMemory(), lambda event: None).best)


@pytest.mark.slow
def test_it_learns_to_write_digits_backwards():
    model = TranslatorSettings(unit="character", hidden=64, embedding=32, dropout=0.0)
    settings = {"smoothing": 0.0, "learning_rate": 0.01, "updates": 400, "batch": 64, "validation": 0.05}
    made = task(digit_pairs("reversal", 4000, 5), model, **settings)
    made.train(RunInMemory(), lambda event: None)
    fresh = digit_pairs("reversal", 100, 5, seed=9)
    found = translate(made.objective.model, [source for source, _ in fresh], width=1)
    assert sum(one[0].text == target for one, (_, target) in zip(found, fresh, strict=True)) >= 95
