from pathlib import Path

import pytest

from unrolled.data.file_list import LabelledFile, decoded, left_out
from unrolled.data.records import Place


@pytest.mark.parametrize("workers", [1, 3])
def test_only_some_files_are_decoded_ahead(workers):
    drawn = []

    def files():
        for i in range(50):
            drawn.append(LabelledFile(Path(str(i)), None, {}, Place(str(i))))
            yield drawn[-1]

    results = decoded(files(), lambda path: int(str(path)) ** 2, workers)
    assert next(results) == (drawn[0], 0)
    assert len(drawn) <= 1 + 2 * workers
    assert [result for _, result in results] == [i**2 for i in range(1, 50)]


def test_what_is_left_out_is_named_up_to_three():
    files = [Path(f"{i}.txt") for i in range(5)]
    assert left_out(files, files) == []
    assert left_out(files, files[:3]) == ["left out, by their names of another kind: 3.txt, 4.txt (2)"]
    assert left_out(files, []) == ["left out, by their names of another kind: 0.txt, 1.txt, 2.txt, ... (5)"]
