"""Videos of shapes that move: the direction can only be told from several frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.video import pyav
from unrolled.errors import SettingError

DIRECTIONS = {
    "right": (1, 0),
    "down": (0, 1),
    "left": (-1, 0),
    "up": (0, -1),
    "right-down": (1, 1),
    "left-down": (-1, 1),
    "left-up": (-1, -1),
    "right-up": (1, -1),
}
"""Labels, and steps across and down; the first four are the four directions."""

SHAPES = ("square", "disc", "triangle")


def moving_shape(
    direction: str, generator: np.random.Generator, frames: int = 16, side: int = 32, noise: float = 25.0
) -> NDArray[np.uint8]:
    """A square, disc or triangle that moves over a noisy background, (T, side, side, 3).

    Shape, colour, size, speed (1 to 2 pixels a frame) and start are drawn. What leaves the picture on one side
    comes back on the other, so that every frame alone looks the same for all directions. The noise of every frame is
    drawn anew, normal with the given deviation, on a background of one dark grey.

    Raises:
        SettingError: an unknown direction.

    Example:
        >>> moving_shape("left", np.random.default_rng(0)).shape
        (16, 32, 32, 3)
    """
    if direction not in DIRECTIONS:
        raise SettingError(f"a direction must be one of {', '.join(DIRECTIONS)}, got {direction!r}")
    step = np.array(DIRECTIONS[direction], float)
    step *= generator.uniform(1, 2) / np.hypot(*step)
    shape = SHAPES[generator.integers(len(SHAPES))]
    radius = generator.uniform(side / 8, side / 5)
    colour = generator.uniform(60, 255, 3)
    colour[generator.integers(3)] = 255  # bright enough to be seen
    background = generator.uniform(0, 60)
    middle = generator.uniform(0, side, 2) + step * np.arange(frames)[:, None]
    cover = _cover(shape, radius, middle, side)[..., None]
    pictures = (
        background + (colour - background) * cover + generator.normal(0, noise, (frames, side, side, 3))
    )
    return np.clip(pictures, 0, 255).round().astype(np.uint8)


def _cover(shape: str, radius: float, middle: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """How much of each pixel a shape covers, (T, side, side), with its middle at (T, 2); edges are one pixel wide."""
    pixels = np.arange(side) + 0.5
    # The shorter way around the edge.
    across = ((pixels - middle[:, 0, None] + side / 2) % side - side / 2)[:, None, :]
    down = ((pixels - middle[:, 1, None] + side / 2) % side - side / 2)[:, :, None]
    if shape == "disc":
        outside = np.hypot(across, down) - radius
    elif shape == "square":
        outside = np.maximum(abs(across), abs(down)) - 0.89 * radius  # about the area of the disc
    else:
        outside = np.maximum(down - 0.5 * radius, abs(across) * np.sqrt(0.75) - down / 2 - 0.5 * radius)
    covered: NDArray[np.float64] = np.clip(0.5 - outside, 0, 1)
    return covered


def write_moving_shapes(
    folder: Path,
    count: int,
    seed: int = 0,
    directions: int = 4,
    frames: int = 16,
    side: int = 32,
    noise: float = 25.0,
) -> list[Path]:
    """Videos of moving shapes, as many of each direction as can be: `left_00017.mp4`, 25 frames a second.

    Args:
        folder: Made if it is not there.
        count: Videos.
        seed: The same seed gives the same pictures.
        directions: 4, or 8 with the diagonals.
        frames, side, noise: T, pixels (even), and the deviation of the noise; see `moving_shape`.

    Returns:
        The files, in the order of their numbers.

    Raises:
        SettingError: another number of directions, an odd side.
        MissingExtra: PyAV is not installed.

    Example:
        >>> import tempfile
        >>> [path.name for path in write_moving_shapes(Path(tempfile.mkdtemp()), 2)]
        ['right_00000.mp4', 'down_00001.mp4']
    """
    if directions not in (4, 8) or side % 2:
        raise SettingError(f"directions must be 4 or 8 and the side even, got {directions} and {side}")
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    written = []
    for number in range(count):
        direction = list(DIRECTIONS)[number % directions]
        path = folder / f"{direction}_{number:05}.mp4"
        write_video(path, moving_shape(direction, generator, frames, side, noise))
        written.append(path)
    return written


def write_video(path: Path, pictures: NDArray[np.uint8]) -> None:
    """Pictures (T, height, width, 3) as an MP4 file of 25 frames a second, in MPEG-4, which every build can write."""
    av = pyav()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
