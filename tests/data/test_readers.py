from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyscene.data import readers
from polyscene.data.readers import open_table, shortened
from polyscene.data.report import Problem
from polyscene.errors import DataError

ROWS = [
    {"item_id": "1", "title": "Grüße, 世界", "tags": "a|b"},
    {"item_id": "2", "title": 'a "quoted"\nline'},
    {"item_id": "3", "title": "three", "tags": "c"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pl.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


def read(path: Path, **options: Any) -> tuple[list[readers.Row], list[Problem]]:
    rows: list[readers.Row] = []
    problems: list[Problem] = []
    for batch in open_table(path, **options).batches:
        rows += batch.rows
        problems += batch.problems
    return rows, problems


def problem(path: Path, **options: Any) -> Problem:
    """The one problem of a file of which nothing can be read."""
    rows, problems = read(path, **options)
    assert (len(problems), problems[0].row) == (1, None)
    assert not rows
    return problems[0]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_every_format_gives_the_same_rows_without_what_is_missing(
    tmp_path: Path, suffix: str, batch_size: int
) -> None:
    path = write(tmp_path / f"items{suffix}", ROWS)
    assert read(path, batch_size=batch_size) == (list(enumerate(ROWS, 1)), [])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_amounts_of_the_batches_add_up_to_the_total(tmp_path: Path, suffix: str) -> None:
    rows = [{"item_id": str(number), "title": "x" * 50} for number in range(500)]
    table = open_table(write(tmp_path / f"items{suffix}", rows), batch_size=100)
    assert table.total is not None
    # a buffer's worth may have been read with the header
    assert 0 <= table.total - sum(batch.amount for batch in table.batches) <= 8192


def test_a_byte_order_mark_of_utf8_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b"\xef\xbb\xbfitem_id\n1\n")
    assert read(path) == ([(1, {"item_id": "1"})], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf16_and_utf32_are_named_rather_than_read_as_rubbish(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id\n1\n", encoding)
    assert encoding.upper() in problem(path).value
    assert read(path, encoding=encoding) == ([(1, {"item_id": "1"})], [])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_another_encoding_is_read_when_it_is_named(tmp_path: Path, suffix: str) -> None:
    text = {".csv": "item_id,title\n1,世界\n", ".jsonl": '{"item_id": "1", "title": "世界"}\n'}
    path = tmp_path / f"items{suffix}"
    path.write_bytes(text[suffix].encode("gb18030"))
    expected = [(1, {"item_id": "1", "title": "世界"})]
    assert read(path, encoding="gb18030") == (expected, [])
    (wrong,), problems = read(path)
    assert problems == []
    assert not wrong[1]["title"].isprintable()  # surrogates, which no record accepts


def test_an_unknown_encoding_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown encoding 'utf-99'"):
        open_table(tmp_path / "items.csv", encoding="utf-99")


@pytest.mark.parametrize(
    ("name", "content", "value", "expected"),
    [
        ("items.csv", b"", "an empty file", "at least one record"),
        ("items.csv", b"\n\n", "blank lines", "a header"),
        ("items.csv", b"item_id,title\n", "a header and nothing below it", "at least one"),
        ("items.csv", b"a,b,a\n1,2,3\n", "the same name twice", "each column once"),
        ("items.csv", b",item_id\n0,1\n", "no name for column 1", "a name for every column"),
        ("items.jsonl", b"\n \n", "blank lines", "at least one record"),
        ("items.jsonl", b'[{"item_id": "1"}]', "a JSON array", "JSON lines"),
        ("items.parquet", b"PAR1 but then not", "", "a whole Parquet file"),
        ("items.xlsx", b"PK", "'.xlsx'", "a suffix of .csv, .tsv, .jsonl"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_has_one_problem_without_a_row(
    tmp_path: Path, name: str, content: bytes, value: str, expected: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = problem(path)
    assert value in found.value
    assert expected in found.expected


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.csv").value == "nothing at that path"
    (tmp_path / "folder.csv").mkdir()
    assert problem(tmp_path / "folder.csv").value == "a folder"


def test_a_parquet_file_without_rows_is_a_problem(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": []}, schema={"item_id": pl.String}).write_parquet(
        tmp_path / "a.parquet"
    )
    assert problem(tmp_path / "a.parquet").value == "columns without rows"


def test_a_truncated_parquet_file_is_a_problem_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "items.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    assert problem(path).expected == "a whole Parquet file"


def test_a_parquet_file_damaged_in_the_middle_ends_with_a_problem_of_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "items.parquet"
    pl.DataFrame({"item_id": [f"item {n * n}" for n in range(50_000)]}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[1000:20_000] = b"\xff" * 19_000
    path.write_bytes(content)
    problems = read(path)[1]
    assert [(found.row, found.expected) for found in problems] == [(None, "a whole Parquet file")]


def test_a_csv_row_of_the_wrong_width_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title\n1,a\n2\n\n3,c,d\n4,e\n")
    rows, problems = read(path)
    assert [row[0] for row in rows] == [1, 4]
    assert [(found.row, found.value) for found in problems] == [(2, "1 cells"), (3, "3 cells")]


def test_a_quote_that_is_never_closed_is_a_problem_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text('item_id,title\n1,"a\n' + "2,b\n" * 100)
    assert "quotes" in problem(path).expected


def test_a_cell_beyond_all_limits_is_a_problem_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps({"item_id": "x" * 200}))
    monkeypatch.setattr(readers, "MAX_CELL", 100)
    assert problem(path).expected == "lines of fewer than 100 characters"


def test_a_cell_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title\n1," + "x" * 10_000_000 + "\n2,b\n")
    rows, problems = read(path)
    assert problems == []
    assert [len(row["title"]) for _, row in rows] == [10_000_000, 1]


def test_large_cells_make_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by what was read, not by the number of rows."""
    monkeypatch.setattr(readers, "MAX_BATCH_BYTES", 50_000)
    rows = [{"item_id": str(number), "title": "x" * 20_000} for number in range(20)]
    for suffix in (".csv", ".jsonl", ".parquet"):
        batches = list(open_table(write(tmp_path / f"items{suffix}", rows)).batches)
        assert max(len(batch.rows) for batch in batches) <= 4
        assert sum(len(batch.rows) for batch in batches) == 20


@pytest.mark.parametrize("line", ["nonsense", "[1]", "3", "null", '{"a": 1', "[" * 100_000])
def test_a_json_line_that_is_no_object_is_reported_and_the_rest_is_read(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"item_id": "1"}}\n{line}\n{{"item_id": "3", "title": null}}\n')
    rows, problems = read(path)
    assert rows == [(1, {"item_id": "1"}), (3, {"item_id": "3"})]
    assert [found.row for found in problems] == [2]


def test_parquet_types_that_no_record_knows_become_plain(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    frame = pl.DataFrame(
        {
            "item_id": pl.Series(["1"], dtype=pl.Categorical),
            "made": [date(2020, 1, 2)],
            "sold": [datetime(2020, 1, 2, 3)],
            "price": [Decimal("1.5")],
            "tags": [["a", "b"]],
        }
    )
    frame.write_parquet(path)
    expected = {"item_id": "1", "made": "2020-01-02", "sold": datetime(2020, 1, 2, 3),
                "price": 1.5, "tags": ["a", "b"]}  # fmt: skip
    assert read(path) == ([(1, expected)], [])


def test_a_long_value_is_shown_in_80_characters() -> None:
    assert shortened("ab") == "'ab'"
    for value in ("x" * 10_000_000, list(range(10_000)), b"x" * 1000):
        assert len(shortened(value)) <= 80
