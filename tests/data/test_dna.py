import gzip
import sys

import pytest

pytest.importorskip("dnaio")

from unrolled.data.dna import DnaReader
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra, SettingError


def written(folder, data, name="a.fa"):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def read(*paths, labelled=True, **settings):
    reader = DnaReader(paths, ReadSettings(**settings), labelled)
    records = list(reader)
    assert records == list(reader)
    return reader, [(record.values, record.label, record.place.line) for record in records]


FASTA = "# made by hand\n>EI|s1 x\nAC GT\n\nnn\n>N|s2 x\r\nRYSWKMBDHV\r\n>N|s3 x\nt\n"
RECORDS = [("ACGTNN", "EI", 2), ("RYSWKMBDHV", "N", 6), ("T", "N", 8)]


@pytest.mark.parametrize("name", ["a.fa", "a.data", "a.fasta.gz"])
def test_fasta_with_the_lines_of_the_headers(tmp_path, name):
    data = gzip.compress(FASTA.encode()) if name.endswith("gz") else FASTA
    reader, records = read(written(tmp_path, data, name))
    assert records == RECORDS and reader.kind == "dna"
    assert reader.facts == {"label": "1"} and "field 1 of each header, such as 'EI'" in reader.notes[0]
    assert next(iter(reader)).columns == {"name": "EI|s1 x"}


def test_a_pattern_keeps_the_other_parts(tmp_path):
    reader, records = read(written(tmp_path, FASTA), label="{label}|{id} *")
    assert records == RECORDS and reader.facts == {"label": "{label}|{id} *"} and not reader.notes
    assert next(iter(reader)).columns == {"name": "EI|s1 x", "id": "s1"}


def test_a_header_without_label_is_refused(tmp_path):
    path = written(tmp_path, ">a|1\nA\n>b\nC\n")
    with pytest.raises(DataError, match=r"a\.fa, line 3: no label in the header 'b' by --label 2"):
        read(path, label="2")
    assert read(path, label="2", labelled=False)[1] == [("A", "1", 1), ("C", None, 3)]
    with pytest.raises(DataError, match=r"no part of the headers looks like a label, got 'a\|1'; .*--label"):
        read(path)
    assert read(path, labelled=False)[1] == [("A", None, 1), ("C", None, 3)]


@pytest.mark.parametrize(("around", "names"), [("folder", "pn"), ("file", "xy")])
def test_files_of_one_class_each(tmp_path, around, names):
    paths = [
        written(tmp_path, ">s1\nA\n>s2\nC\n", "p/x.1.fa"),
        written(tmp_path, ">s3\nG\n", "p/y.fa" if around == "file" else "n/y.fa"),
    ]
    reader, records = read(*paths)
    assert [label for _, label, _ in records] == [names[0], names[0], names[1]]
    assert reader.facts == {"label": around} and f"the name of the {around}" in reader.notes[0]
    assert [label for _, label, _ in read(*paths, label=around, labelled=False)[1]] == [None] * 3


def test_fastq(tmp_path):
    data = "@r1 a\nACGU\n+\nIIII\n@r2 b\nNN\n+\nII\n@r3 a\nG\n+\nI\n"
    for path in (
        written(tmp_path, gzip.compress(data.encode()), "a.fq.gz"),
        written(tmp_path, data, "b.txt"),
    ):
        reader, records = read(path)
        assert records == [("ACGT", "a", 1), ("NN", "b", 5), ("G", "a", 9)]
        assert reader.notes.count("RNA: U is read as T") == 1
    with pytest.raises(DataError, match=r"c\.fq, line 8: not FASTQ \(.*Length of sequence"):
        read(written(tmp_path, data.replace("+\nII\n", "+\nI\n"), "c.fq"))
    with pytest.raises(DataError, match=r"d\.fq, line 5: not FASTQ, holds letters beyond ASCII"):
        read(written(tmp_path, data.replace("r2", "ñ"), "d.fq"))
    with pytest.raises(DataError, match=r"e\.fq\.gz: cannot be read"):
        read(written(tmp_path, gzip.compress(data.encode())[:-9], "e.fq.gz"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (
            ">a 1\nAC\n>b 2\nMKV\nLA\n",
            "line 3: the sequence 'b 2' holds 'L' .letter 4., which is no DNA.*--kind text",
        ),
        (">a 1\nAC\n>b 2\nAC-T\n", "line 3: the sequence 'b 2' holds '-'"),
        (">a 1\nAC\n\n>b 2\n>c 1\nA\n", "line 4: the sequence 'b 2' is empty"),
        (">a 1\nAC\n>b 2\n \n", "line 3: the sequence 'b 2' is empty"),
        ("AC\n>a 1\nAC\n", "line 1: not FASTA .*Expected '>'"),
        (">a 1\nAC\n>b 2\nAñ\n>c 1\nA\n>d 1\nA\n", "line 4: not FASTA, holds letters beyond ASCII"),
        (">a 1\nAC\n>b 2\nAñ\n", "line 4: not FASTA, holds letters beyond ASCII"),
        (b">a 1\nAC\n>b 2\nA\xf1\n", "line 4: not FASTA, holds letters beyond ASCII"),
        ("\n", "the file is empty"),
    ],
)
def test_what_is_no_dna_is_refused_where_it_stands(tmp_path, data, what):
    with pytest.raises(DataError, match=rf"a\.fa(,|:) {what}"):
        read(written(tmp_path, data), label="2")


SPLICE = "EI,   X-DONOR-1,   ccagctgc\nN,  X-NEG-1,  NNGATGAC\nIE, X-1, CUTC\nN, X-2, A\n"


def test_a_table_without_names(tmp_path):
    reader, records = read(written(tmp_path, SPLICE, "splice.data"))
    assert records == [("CCAGCTGC", "EI", 1), ("NNGATGAC", "N", 2), ("CTTC", "IE", 3), ("A", "N", 4)]
    assert next(iter(reader)).columns == {"2": "X-DONOR-1"}
    assert reader.facts == {"text": "3", "label": "1"}
    assert "the sequence is column 3, the label column 1; --text and --label" in reader.notes[0]
    again, same = read(tmp_path / "splice.data", **reader.facts)
    assert same == records and again.facts == reader.facts


def test_other_tables(tmp_path):
    path = written(tmp_path, "seq\tkind\tcopy\nACGT\ta\tA\nGG\tb\tC\nCCC\ta\tG\n", "a.tsv")
    assert read(path)[1] == [("ACGT", "a", 2), ("GG", "b", 3), ("CCC", "a", 4)]
    assert read(path, text="copy", label="kind")[1][1] == ("C", "b", 3)
    path = written(tmp_path, "a ACGT\nb GG\na CCC\n", "a.txt")
    assert read(path)[1] == [("ACGT", "a", 1), ("GG", "b", 2), ("CCC", "a", 3)]
    path = written(tmp_path, "ACGT\nGG\nCCC\n", "b.txt")
    assert read(path, labelled=False)[1] == [("ACGT", None, 1), ("GG", None, 2), ("CCC", None, 3)]
    assert read(path, label="file")[1][0] == ("ACGT", "b", 1)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("MKLV,a", "the sequence holds 'L' .letter 3."),
        (" ,a", "the sequence is empty"),
        ("ACG, ", "no label in column 'label'"),
    ],
)
def test_rows_of_tables_are_refused_by_line(tmp_path, row, what):
    path = written(tmp_path, f"sequence,label\nACGT,a\n{row}\nA,b\n", "a.csv")
    with pytest.raises(DataError, match=rf"a\.csv, line 3: {what}"):
        read(path)


def test_fasta_needs_no_settings_of_tables(tmp_path):
    with pytest.raises(SettingError, match=r"--delimiter is for tables; .*a\.fa is FASTA"):
        read(written(tmp_path, FASTA), delimiter=";")


def test_without_dnaio(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dnaio", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[dna\]"'):
        read(written(tmp_path, FASTA))
    assert len(read(written(tmp_path, SPLICE, "splice.data"))[1]) == 4
