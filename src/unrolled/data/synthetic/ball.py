"""A ball that flies through a box and comes back from its walls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import SettingError


def bouncing_ball(
    count: int, steps: int, seed: int = 0, speed: tuple[float, float] = (0.03, 0.06), radius: float = 0.08
) -> NDArray[np.float32]:
    """Places of the middle of a ball in the unit square: `count` flights of T steps, (count, T, 2).

    It starts anywhere, in any direction, and keeps its speed; the walls are elastic. Along either axis the place is
    the free flight folded into the box, exact at any step:

        s_t = s_0 + v t,   y = s_t mod 2 w,   place_t = radius + (y if y < w else 2 w - y),   w = 1 - 2 radius

    One place says nothing of the next; two in a row give the velocity, and with it all others. So a forecaster must
    carry the velocity, and learn where the walls are.

    Args:
        count: Flights.
        steps: T.
        seed: The same seed gives the same flights.
        speed: The way of one step is drawn from this range; sides of the box are 1.
        radius: The middle stays so far from the walls.

    Raises:
        SettingError: a radius of half the box or more, a speed that crosses the box in one step.

    Example:
        >>> flight = bouncing_ball(1, 100)[0]
        >>> flight.shape, bool(flight.min() >= 0.08), bool(flight.max() <= 0.92)
        ((100, 2), True, True)
    """
    inside = 1 - 2 * radius
    if not 0 <= radius < 0.5 or not 0 <= speed[0] <= speed[1] < inside:
        raise SettingError(
            f"a ball must fit into the box and take more than one step to cross it, got radius {radius} and speed "
            f"{speed}; make them smaller"
        )
    generator = np.random.default_rng(seed)
    start = generator.uniform(0, inside, (count, 1, 2))
    direction = generator.uniform(0, 2 * np.pi, (count, 1))
    way = generator.uniform(*speed, (count, 1))
    velocity = np.stack([way * np.cos(direction), way * np.sin(direction)], -1)
    free = (start + velocity * np.arange(steps)[:, None]) % (2 * inside)
    return (radius + np.minimum(free, 2 * inside - free)).astype(np.float32)


def rendered(places: NDArray[np.float32], side: int, radius: float = 0.08) -> NDArray[np.uint8]:
    """Places (..., 2) as pictures of a white ball on black, (..., side, side, 3); y grows downwards, edges are soft.

    Example:
        >>> rendered(np.array([[0.5, 0.5]], np.float32), 16)[0, 8].max()
        np.uint8(255)
    """
    middles = (np.arange(side, dtype=np.float32) + 0.5) / side
    across = middles - places[..., 0, None]
    down = middles - places[..., 1, None]
    distance = np.hypot(across[..., None, :], down[..., :, None])
    grey = np.clip((radius - distance) * side + 0.5, 0, 1)
    return np.repeat((255 * grey).round().astype(np.uint8)[..., None], 3, -1)


def write_bouncing_ball(
    path: Path,
    count: int,
    steps: int,
    seed: int = 0,
    speed: tuple[float, float] = (0.03, 0.06),
    radius: float = 0.08,
) -> None:
    """Flights as a table with a row for each step: series, x, y."""
    flights = bouncing_ball(count, steps, seed, speed, radius)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("series,x,y\n")
        for number, flight in enumerate(flights, 1):
            file.writelines(f"{number},{x:.6f},{y:.6f}\n" for x, y in flight.tolist())
