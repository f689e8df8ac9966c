import pytest

from unrolled.errors import SettingError
from unrolled.training.presets import PRESETS, with_preset
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

GROUPS = (DataSettings, ModelSettings, FitSettings)


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_of_a_preset_is_that_of_a_setting_and_not_the_usual_one(name):
    usual = {}
    for group in GROUPS:
        before, after = group().model_dump(), with_preset(group(), name).model_dump()
        usual |= before
        assert after == before | {key: PRESETS[name][key] for key in before if key in PRESETS[name]}
    assert all(usual[key] != value for key, value in PRESETS[name].items())


def test_every_preset_can_be_asked_for_and_nothing_else():
    for name in PRESETS:
        assert FitSettings(preset=name).preset == name
    with pytest.raises(SettingError, match="--preset must be 'small' or 'awd', got big"):
        FitSettings(preset="big")


def test_what_a_person_has_set_stays_even_if_it_is_the_usual_value():
    found = with_preset(ModelSettings(layers=2, dropconnect=0.0), "awd")
    assert (found.layers, found.dropconnect, found.cell, found.tied) == (2, 0.0, "lstm", True)
    assert with_preset(FitSettings(seed=4), None) == FitSettings(seed=4)


def test_a_limit_of_any_kind_takes_the_place_of_the_presets():
    for given in ({"updates": 7}, {"epochs": 2.0}, {"minutes": 3.0}):
        for name in PRESETS:
            found = with_preset(FitSettings(**given), name)
            limits = {key: getattr(found, key) for key in ("updates", "epochs", "minutes")}
            assert limits == {"updates": None, "epochs": None, "minutes": None} | given


def test_what_suits_a_choice_of_the_preset_is_left_out_with_another():
    found = with_preset(FitSettings(optimizer="adam"), "awd")
    assert (found.rate, found.weight_decay, found.average) == (0.004, 0, "triggered")
    assert with_preset(FitSettings(optimizer="adam"), "small").rate == PRESETS["small"]["learning_rate"]
    assert with_preset(FitSettings(optimizer="sgd"), "awd").rate == PRESETS["awd"]["learning_rate"]
    assert with_preset(FitSettings(optimizer="adam", learning_rate=0.5), "awd").rate == 0.5
    assert with_preset(DataSettings(unit="byte"), "awd") == DataSettings(unit="byte")
    assert with_preset(DataSettings(lower=True, unit="word"), "awd").minimum_count == 2


def test_settings_are_checked_together_when_the_preset_is_there():
    model = with_preset(ModelSettings(dropout=0.1), "awd")
    assert (model.dropout, model.layers) == (0.1, 3)
    training = with_preset(FitSettings(preset="awd", momentum=0.5, average_after=2), "awd")
    assert (training.momentum, training.average_after) == (0.5, 2)
    data = with_preset(DataSettings(lower=True), "awd")
    assert (data.unit, data.lower, data.minimum_count) == ("word", True, 2)
    for name in (None, "small"):
        with pytest.raises(SettingError, match="--lower is for --unit word, got --unit character"):
            with_preset(DataSettings(lower=True), name)
    for one, name in ((ModelSettings(dropout=0.2), None), (ModelSettings(layers=1), "awd")):
        with pytest.raises(SettingError, match="--dropout is between layers, and there is one"):
            with_preset(one, name)
    for settings in ({"momentum": 0.5}, {"average_after": 2}):
        waiting = FitSettings(preset="small", **settings)
        with pytest.raises(SettingError, match="leave it out"):
            with_preset(waiting, "small")


def test_what_a_preset_made_stays_what_it_is():
    """As from the settings a run has written down."""
    for group in GROUPS:
        once = with_preset(group(), "awd")
        assert with_preset(group(**once.model_dump(exclude_none=True)), "awd") == once


def test_the_recipe_is_that_of_the_paper():
    """Table 1 and section 4 of the paper, besides the sizes and the learning rate."""
    model, training = (with_preset(group(), "awd") for group in (ModelSettings, FitSettings))
    shares = (
        model.dropout_embedding,
        model.dropout_input,
        model.dropout,
        model.dropout_output,
        model.dropconnect,
    )
    assert shares == (0.1, 0.4, 0.25, 0.4, 0.5)
    assert (model.cell, model.layers, model.tied) == ("lstm", 3, True)
    assert (training.clip, training.weight_decay, training.optimizer) == (0.25, 1.2e-6, "sgd")
    assert (training.steps, training.variable_steps, training.ar, training.tar) == (70, True, 2, 1)
    assert (training.average, training.average_after, training.schedule) == ("triggered", 5, "constant")
