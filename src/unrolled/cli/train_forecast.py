"""`unrolled train forecast`: the next numbers of a series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.training_run import DATA, MODEL, RESERVOIR, RUN, TRAINING, options_of, show_training
from unrolled.data.panel_settings import PanelSettings
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.reservoir_settings import ForecastReservoirSettings


def forecast(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    model: Annotated[ForecasterSettings, Parameter(name="*", group=MODEL)] = ForecasterSettings(),
    training: Annotated[ForecastSettings, Parameter(name="*", group=TRAINING)] = ForecastSettings(),
    reservoir: Annotated[
        ForecastReservoirSettings, Parameter(name="*", group=RESERVOIR)
    ] = ForecastReservoirSettings(),
    data: Annotated[PanelSettings, Parameter(name="*", group=DATA)] = PanelSettings(),
    run: Annotated[Path | None, Parameter(group=RUN)] = None,
    json: Annotated[Switch, Parameter(group=RUN)] = False,
) -> None:
    """Train a forecaster: the next values of sales, loads, prices, temperatures, or where a ball goes.

    A recurrent network reads the last steps of a series and says the next `--horizon` steps at once. It forecasts
    differences, to the last value or to the same step of the last season (last year's month), since those change less
    than the values; what fits the data is found and shown. The last 15 % of every series are kept out to validate
    on, and errors are shown in the units of the data, beside those of simple rules: a model that does not beat them
    has learned nothing.

    Tables (CSV, TSV, JSONL, Parquet) have one row for each step, the oldest first: a column to forecast, if there is
    one a column of dates, and maybe further ones to read along. Dates that leave gaps and values that are missing are
    refused by file and line. Several series are several files, or one file with a column that names them. Arrays
    (`.npz`, `.ts`) hold one series each; their channels go by number.

    Examples:

    - `unrolled train forecast passengers.csv --target Passengers --horizon 12`
    - `unrolled train forecast load.csv --with temperature,holiday --known holiday --horizon 24 --season 24`
    - `unrolled train forecast shops.csv --series shop --target sales --log`
    - `unrolled train forecast prices.csv --quantiles 0.1,0.5,0.9 --fill nothing` (days without trade are no gaps)
    - `unrolled train forecast ball.npz --target 1,2 --shape many-to-many --cell lstm`
    - `unrolled train forecast sunspots.csv --shape many-to-many --reservoir` (fixed weights, in a second)

    Parameters
    ----------
    paths
        Files with the same columns.
    run
        Folder to make for this run; it must not exist yet, or be empty. [default: runs/forecast-DATE-N]
    json
        Print the result as JSON on standard output; progress goes to standard error.
    """
    refuse_options(
        paths,
        [*options_of(ForecasterSettings, ForecastSettings, ForecastReservoirSettings, PanelSettings), "with"],
        "unrolled train forecast",
    )
    from unrolled.training.forecasting import train_forecaster

    show_training(
        lambda report: train_forecaster(paths, data, model, training, run, report, reservoir),
        json,
        "unrolled evaluate {run} DATA, or unrolled predict {run} DATA",
    )
