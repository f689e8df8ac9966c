from unrolled.models.folder import load_model


def test_the_demo_trains_scores_and_says_what_to_try(unrolled, tmp_path):
    code, out, err = unrolled("demo", "--minutes", "0.02", "--run", tmp_path / "run")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert sum(line.startswith("  | ") for line in lines) >= 2
    assert sum("log P" in line for line in lines) == 2
    assert lines[-4] == "What to try next:"
    assert all(line.startswith("  unrolled ") for line in lines[-3:])
    load_model(tmp_path / "run")


def test_its_seed_changes_the_run(unrolled, tmp_path):
    def first_sample(seed):
        out = unrolled("demo", "--minutes", "0.001", "--seed", seed, "--run", tmp_path / str(seed))[1]
        return next(line for line in out.splitlines() if line.startswith("  | "))

    assert first_sample(0) != first_sample(1)


def test_wrong_minutes_are_refused(refused):
    assert refused("demo", "--minutes", "0") == "--minutes must be greater than 0, got 0.0"
