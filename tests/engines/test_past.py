"""Earlier values of a known state in a packed batch, against a walk over every row written out by hand."""

import pytest
import torch

from unrolled.engines.engine import Steps
from unrolled.engines.past import Timeline, timeline


def walk(lengths, cuts, reverse, kept, clock):
    """For each row: the values it sees at delays 1..kept and its clock, before every step and at the end.

    A value is named: ("carried", slot), ("start",) or ("step", t).
    """
    seen, ends = {}, []
    for b, length in enumerate(lengths):
        past, ticks = [("carried", slot) for slot in range(kept)], clock[b]
        order = range(length)
        for t in reversed(order) if reverse else order:
            if cuts[t][b]:
                past, ticks = [("start",)] * kept, 0
            seen[t, b] = (list(past), ticks)
            past, ticks = [("step", t), *past[: kept - 1]], ticks + 1
        ends.append((past, ticks))
    return seen, ends


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_delays_and_clocks_across_resets(seed, reverse):
    generator = torch.Generator().manual_seed(seed)
    rows, kept = 4, 3
    lengths = sorted(torch.randint(0, 7, (rows,), generator=generator).tolist(), reverse=True)
    time = max(lengths)
    counts = tuple(sum(length > t for length in lengths) for t in range(time))
    steps = Steps(counts, rows, reverse)
    cuts = torch.rand(time, rows, generator=generator) < 0.35
    clock = torch.randint(0, 9, (rows,), generator=generator)
    packed_cuts = torch.cat(
        [cuts[t, :count] for t, count in enumerate(counts)] or [torch.zeros(0, dtype=torch.bool)]
    )
    timeline = Timeline(steps, packed_cuts if seed % 3 else None, torch.device("cpu"))
    if not seed % 3:
        cuts = torch.zeros_like(cuts)
    # Numbers that say what they are: steps 0.., carried 100 + slot, start 200; the row in the second place.
    values = torch.tensor([[t, b] for t, count in enumerate(counts) for b in range(count)]).reshape(-1, 2)
    carried = torch.tensor([[[100 + slot, b] for b in range(rows)] for slot in range(kept)])
    start = torch.tensor([[200, b] for b in range(rows)])

    def number(name, b):
        return [
            {"step": name[-1], "carried": 100 + name[-1] if name[0] == "carried" else 0, "start": 200}[
                name[0]
            ],
            b,
        ]

    seen, ends = walk(lengths, cuts.tolist(), reverse, kept, clock.tolist())
    order = [(t, b) for t, count in enumerate(counts) for b in range(count)]
    for delay in range(1, kept + 1):
        found = timeline.earlier(values, carried, start, delay, timeline.moments)
        assert found.tolist() == [number(seen[key][0][delay - 1], key[1]) for key in order]
        at_end = timeline.earlier(values, carried, start, delay, timeline.end)
        assert at_end.tolist() == [number(ends[b][0][delay - 1], b) for b in range(rows)]
    assert timeline.clock(clock, timeline.moments).tolist() == [seen[key][1] for key in order]
    assert timeline.clock(clock, timeline.end).tolist() == [ticks for _, ticks in ends]


@pytest.mark.parametrize("reverse", [False, True])
def test_what_steps_keep_can_be_saved_for_a_backward_run(reverse):
    """Whatever kind of call asked for it first: autograd saves no tensor that inference mode has made."""
    steps = Steps((3, 2, 2), 3, reverse)
    with torch.inference_mode():
        kept = timeline(steps, None, torch.device("cpu"))
        found = [kept.lengths, kept.offsets]
        for moments in (kept.moments, kept.end):
            found += [moments.row, moments.age, moments.since, moments.was_reset]
        found.append(kept.shift(1, 2))
    assert not any(value.is_inference() for value in found)
    assert timeline(steps, None, torch.device("cpu")) is kept


def test_steps_turned_twice_are_the_same_steps():
    steps = Steps((3, 2, 2), 3)
    assert steps.turned.turned is steps and steps.turned.reverse
