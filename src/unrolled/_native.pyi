from typing import TypedDict

class BuildInfo(TypedDict):
    compiler: str
    standard: str
    instruction_sets: list[str]

def build_info() -> BuildInfo: ...
