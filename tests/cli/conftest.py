import pytest

from unrolled.cli import main

TRAINED = ["--hidden", "8", "--steps", "8", "--batch", "4", "--updates", "20", "--learning-rate", "0.02"]


@pytest.fixture
def unrolled(capsys):
    """Run one command in this process: its exit code, what it printed, and what it said on standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def refused(unrolled):
    """The one line of a command that must fail with exit code 2 and print nothing else."""

    def run(*arguments):
        code, out, err = unrolled(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("unrolled: ")
        assert err.count("\n") == 1
        return err.removeprefix("unrolled: ").rstrip("\n")

    return run


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat sat on the mat.\n" * 40)
    return path


@pytest.fixture(scope="session")
def trained(text, tmp_path_factory):
    """A run folder with a small trained model."""
    path = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "lm", str(text), *TRAINED, "--run", str(path)]) == 0
    return path
