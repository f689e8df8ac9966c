import importlib.util
from pathlib import Path

PATH = Path(__file__).parents[1] / "examples" / "shared_over_time.py"


def test_only_weights_shared_over_time_find_the_year_at_the_other_end(capsys):
    spec = importlib.util.spec_from_file_location("shared_over_time", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.main()
    assert all(same > 0.99 for same, _ in found.values())
    assert found["feed-forward"][1] < 0.3
    assert found["recurrent, minGRU"][1] > 0.95
    assert "guessing" in capsys.readouterr().out
