from typing import Any, TypedDict

from numpy.typing import NDArray

Array = NDArray[Any]

class BuildInfo(TypedDict):
    compiler: str
    standard: str
    instruction_sets: list[str]

def build_info() -> BuildInfo: ...

class Block:
    def __init__(self, bytes: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Program:
    def __init__(self, code: list[int], numbers: list[float]) -> None: ...

def run_float(
    program: Program,
    buffers: list[int],
    rings: list[int],
    matrices: list[int],
    tables: list[int],
    lookups: list[int],
    histories: list[int],
    results: list[int],
    counts: list[int],
    rows: int,
    reverse: bool,
    clock: int,
    resets: int,
    threads: int,
) -> None: ...
def run_double(
    program: Program,
    buffers: list[int],
    rings: list[int],
    matrices: list[int],
    tables: list[int],
    lookups: list[int],
    histories: list[int],
    results: list[int],
    counts: list[int],
    rows: int,
    reverse: bool,
    clock: int,
    resets: int,
    threads: int,
) -> None: ...

class StreamFloat:
    def __init__(self, rows: int, threads: int) -> None: ...
    def add(
        self,
        program: Program,
        buffers: list[int],
        rings: list[int],
        matrices: list[int],
        tables: list[int],
        lookups: int,
        input: int,
        output: int,
        clock: int,
    ) -> None: ...
    def run(self, x: int, out: int, time: int, /) -> None: ...

class StreamDouble(StreamFloat): ...

class kernels:
    """A module: the kernels on NumPy arrays, and the peak of the machine."""

    @staticmethod
    def chosen() -> str: ...
    @staticmethod
    def fma_peak(threads: int, seconds: float) -> float: ...
    @staticmethod
    def gemm(set: str, to: Array, start: Array | None, a: Array, panel: Array) -> None: ...

def mask_float(
    to: int, key: int, rows: int, steps: int, count: int, width: int, kept: int, value: float
) -> None: ...
def mask_double(
    to: int, key: int, rows: int, steps: int, count: int, width: int, kept: int, value: float
) -> None: ...
