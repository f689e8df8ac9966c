import platform
import re
from pathlib import Path

import pytest

from unrolled._native import build_info

CPUINFO = Path("/proc/cpuinfo")


def test_names_the_compiler_and_the_standard():
    info = build_info()
    assert re.match(r"(gcc|clang) \d+\.", info["compiler"])
    assert info["standard"] == "C++20"


@pytest.mark.skipif(platform.machine() != "x86_64" or not CPUINFO.exists(), reason="x86 Linux only")
def test_finds_what_the_kernel_reports():
    flags = set(re.search(r"^flags\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE)[1].split())
    needed = {
        "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "fma"},
        "avx2": {"avx2", "fma"},
        "portable": set(),
    }
    assert build_info()["instruction_sets"] == [name for name in needed if needed[name] <= flags]


@pytest.mark.skipif(platform.machine() not in {"aarch64", "arm64"}, reason="ARM only")
def test_arm_has_neon():
    assert build_info()["instruction_sets"] == ["neon", "portable"]
