"""`unrolled train`: one command per task."""

from __future__ import annotations

from cyclopts import App

from unrolled.cli.train_classify import classify
from unrolled.cli.train_forecast import forecast
from unrolled.cli.train_lm import lm
from unrolled.cli.train_tag import tag
from unrolled.cli.train_translate import translate

app = App(name="train", help="Train a model on your own data.", help_format="markdown", help_epilogue="")
app.command(lm, usage="Usage: unrolled train lm [PATHS...] [OPTIONS]")
app.command(classify, usage="Usage: unrolled train classify DATA... [OPTIONS]")
app.command(tag, usage="Usage: unrolled train tag DATA... [OPTIONS]")
app.command(forecast, usage="Usage: unrolled train forecast DATA... [OPTIONS]")
app.command(translate, usage="Usage: unrolled train translate PAIRS... [OPTIONS]")
