import struct

import numpy as np
import pytest
import torch

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.data.spectra import log_mel, mfcc
from unrolled.errors import DataError, MissingExtra, SettingError

soundfile = pytest.importorskip("soundfile")


def tone(frequency, rate=8000, seconds=0.2):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def sound(path, samples=None, rate=8000, **options):
    path.parent.mkdir(exist_ok=True, parents=True)
    soundfile.write(path, tone(440) if samples is None else samples, rate, **options)
    return path


def read(*paths, labelled=True, **settings):
    reader = open_records(paths, ReadSettings(**settings), labelled)
    return list(reader), reader


@pytest.fixture
def digits(tmp_path):
    for name, frequency in (("0_ana_0", 300), ("0_ana_1", 310), ("1_luz_0", 900)):
        sound(tmp_path / f"{name}.wav", tone(frequency))
    return tmp_path


def test_frames_are_the_log_mel_of_the_samples(digits):
    records, reader = read(digits)
    samples, _ = soundfile.read(digits / "0_ana_1.wav")
    expected = log_mel(torch.from_numpy(samples), 8000, 40)
    assert records[1].values.dtype == np.float32 and records[1].values.shape == (18, 40)
    np.testing.assert_allclose(records[1].values, expected, atol=0.01)
    assert [record.label for record in records] == ["0", "0", "1"]
    assert records[2].place.file == str(digits / "1_luz_0.wav")
    assert reader.facts == {"sample_rate": 8000, "features": "log-mel", "bands": 40}
    assert reader.notes == ["label: what stands before the first _ in each name (0, 1)"]


def test_features_and_bands(digits):
    records, _ = read(digits, features="mfcc", bands=20)
    samples, _ = soundfile.read(digits / "1_luz_0.wav", dtype="float32")
    np.testing.assert_allclose(records[2].values, mfcc(torch.from_numpy(samples), 8000, 20), atol=1e-4)
    assert records[2].values.shape == (18, 13)


def test_a_pattern_puts_the_other_fields_beside_the_label(digits):
    records, _ = read(digits, label="{label}_{speaker}_{index}")
    assert records[2].label == "1" and records[2].columns == {"speaker": "luz", "index": "0"}


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg"])
def test_the_formats_hold_the_same_sound(tmp_path, name):
    records, _ = read(sound(tmp_path / "a" / name), sound(tmp_path / "b" / "x.wav"))
    loud = records[1].values > records[1].values.max() - 5
    assert abs(records[0].values - records[1].values)[loud].max() < 0.1


def test_other_sample_rates_are_resampled_to_that_of_the_first(tmp_path):
    for name, rate in (("a_1", 8000), ("a_2", 16000), ("b_1", 44100)):
        sound(tmp_path / f"{name}.wav", tone(600, rate, 0.5), rate)
    records, reader = read(tmp_path)
    inside = slice(5, -5)
    for record in records[1:]:
        at_tone = records[0].values[inside] > 0
        assert (
            abs(record.values[inside][: at_tone.shape[0]] - records[0].values[inside])[at_tone].max() < 0.05
        )
    assert "resampled to 8000 Hz: 2 of 3 files" in reader.notes
    list(reader)
    assert len([note for note in reader.notes if "resampled" in note]) == 1


def test_a_sample_rate_that_is_asked_for(digits):
    records, reader = read(digits, sample_rate=16000)
    assert reader.facts["sample_rate"] == 16000 and "resampled to 16000 Hz: 3 of 3 files" in reader.notes
    assert records[0].values[:, -1].max() < -5 < read(digits)[0][0].values.max()  # nothing above 4 kHz


def test_channels_are_averaged(tmp_path):
    left, right = tone(500), tone(1500)
    sound(tmp_path / "a" / "x.wav", np.stack([left, right], 1), subtype="FLOAT")
    records, reader = read(tmp_path / "a" / "x.wav", labelled=False)
    expected = log_mel(torch.from_numpy((left + right) / 2), 8000, 40)
    np.testing.assert_allclose(records[0].values, expected, atol=0.02)
    assert reader.notes == ["2 channels are averaged"]


def test_another_number_of_channels_is_refused(digits):
    sound(digits / "2_luz_0.wav", np.stack([tone(500)] * 2, 1))
    with pytest.raises(
        DataError, match=r"2_luz_0\.wav: all files must have as many channels as the first, 1, got 2"
    ):
        read(digits)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_a_file_that_is_cut_off_is_refused(digits, ending):
    path = sound(digits / f"2_luz_0.{ending}", tone(500, seconds=2))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(DataError, match=rf"2_luz_0\.{ending}: (the file is cut off|cannot be read as sound)"):
        read(digits)


def test_an_ogg_file_that_ends_between_two_pages_is_refused(digits):
    path = sound(digits / "2_luz_0.ogg", np.random.default_rng(0).uniform(-0.5, 0.5, 80000))
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"OggS")])
    with pytest.raises(DataError, match=r"2_luz_0\.ogg: the file is cut off, its end is missing"):
        read(digits)


def test_a_wav_of_unknown_length_is_read_to_its_end(digits):
    path = digits / "1_luz_0.wav"
    before = read(digits)[0][2].values
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    np.testing.assert_array_equal(read(digits)[0][2].values, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read as sound"), (b"RIFF....WAVEjunk", "cannot be read as sound")],
)
def test_what_is_no_sound_is_refused_by_name(digits, content, message):
    (digits / "2_luz_0.wav").write_bytes(content)
    with pytest.raises(DataError, match=rf"2_luz_0\.wav: {message} \([^\n]+\); replace"):
        read(digits)


def test_sound_shorter_than_a_window_is_refused(digits):
    sound(digits / "2_luz_0.wav", tone(500, seconds=0.02))
    with pytest.raises(DataError, match=r"2_luz_0\.wav: sound must last at least 25 ms, got 20 ms"):
        read(digits)


def test_samples_that_are_no_numbers_are_refused(digits):
    sound(digits / "2_luz_0.wav", np.array([0, np.nan] * 500), subtype="FLOAT")
    with pytest.raises(DataError, match=r"2_luz_0\.wav: the sound holds samples that are no numbers"):
        read(digits)


def test_slow_signals_are_refused(digits):
    with pytest.raises(SettingError, match=r"at least 1000 samples a second, got 500 .*--sample-rate"):
        read(digits, sample_rate=500)


def test_other_files_are_left_out_and_said(digits):
    (digits / "README.md").write_text("digits")
    assert "left out, by their names of another kind: README.md (1)" in read(digits)[1].notes


def test_no_sound_at_all(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a\.mp4: files of audio must be WAV, FLAC or OGG"):
        read(tmp_path, kind="audio")


def test_threads_keep_the_order_and_the_values(tmp_path):
    for i in range(12):
        sound(tmp_path / f"{i % 2}_{i}.wav", tone(200 + 100 * i, seconds=0.1 + 0.05 * (i % 3)))
    one, many = read(tmp_path)[0], read(tmp_path, workers=3)[0]
    assert [record.place for record in one] == [record.place for record in many]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(one, many, strict=True))


def test_threads_hand_over_the_error(digits):
    (digits / "0_ana_1.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"0_ana_1\.wav: cannot"):
        read(digits, workers=2)


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_a_table_names_the_files(digits, name):
    rows = [("1_luz_0.wav", "high", "luz"), ("0_ana_0.wav", "low", "ana"), ("0_ana_1.wav", "low", "ana")]
    if name.endswith("csv"):
        lines = ["path,label,speaker", *(",".join(row) for row in rows)]
    else:
        lines = [f'{{"path": "{a}", "label": "{b}", "speaker": "{c}"}}' for a, b, c in rows]
    (digits / name).write_text("\n".join(lines) + "\n")
    records, reader = read(digits / name, kind="audio")
    assert [record.label for record in records] == ["high", "low", "low"]
    assert records[0].columns == {"path": "1_luz_0.wav", "speaker": "luz"}
    assert str(records[0].place) == f"{digits / name}, line {2 if name.endswith('csv') else 1}"
    assert any("column of paths 'path', of labels 'label'" in note for note in reader.notes)
    np.testing.assert_array_equal(records[0].values, read(digits, kind="audio")[0][2].values)


def test_a_table_with_columns_that_are_named(digits):
    (digits / "list.tsv").write_text("who\twhat\n1_luz_0.wav\thigh\n0_ana_0.wav\tlow\n")
    records, _ = read(digits / "list.tsv", kind="audio", text="who", label="what")
    assert [record.label for record in records] == ["high", "low"]
    with pytest.raises(
        DataError, match=r"list\.tsv: no column named path; name the column of paths with --text"
    ):
        read(digits / "list.tsv", kind="audio")


def test_a_table_without_labels_is_enough_for_predictions(digits):
    (digits / "list.csv").write_text("path,note\n1_luz_0.wav,x\n")
    records, _ = read(digits / "list.csv", kind="audio", labelled=False)
    assert records[0].label is None and records[0].columns["note"] == "x"


def test_a_table_is_refused_by_line(digits):
    (digits / "list.csv").write_text("path,label\n0_ana_0.wav,a\nnone.wav,b\n")
    with pytest.raises(
        DataError, match=r"list\.csv, line 3: no file .*none\.wav; paths must be absolute or relative"
    ):
        read(digits / "list.csv", kind="audio")
    (digits / "list.csv").write_text("path,label\n0_ana_0.wav,a\n0_ana_1.wav,\n1_luz_0.wav,a\n")
    with pytest.raises(DataError, match=r"list\.csv, line 3: no label in column 'label'"):
        read(digits / "list.csv", kind="audio")


def test_the_missing_package_is_named(digits, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[audio\]"'):
        read(digits)
