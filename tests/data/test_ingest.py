from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyscene.data.ingest import Part, ingest, ingest_file, ingest_parts, ingest_records
from polyscene.data.readers import Batch
from polyscene.data.report import MAX_PROBLEMS, FileReport
from polyscene.data.schema import Item, User
from polyscene.errors import DataError, IngestError
from polyscene.storage import Store

ITEMS = "item_id,title\n1,one\n2,two\n3,three\n"
EVENTS = "user_id,item_id,action\nu,1,view\nu,2,like\nv,3,view\n"

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def shop(store: Store) -> Store:
    """A store with the items 1 to 3 and nothing else."""
    with store.write() as writer:
        writer.put_items([Item(item_id=str(number)) for number in (1, 2, 3)])
    return store


def refused(store: Store, path: Path, kind: Any, **options: Any) -> FileReport:
    """The report of a file that is refused; checks that nothing of it was kept."""
    before = store.fingerprint()
    with pytest.raises(IngestError) as caught:
        ingest_file(path, kind, store, **options)
    assert store.fingerprint() == before
    (report,) = caught.value.report.files
    assert report.loaded == 0
    assert str(report.problems[0]) in str(caught.value)
    return report


def wrong(report: FileReport) -> list[tuple[int | None, str | None]]:
    return [(problem.row, problem.column) for problem in report.problems]


# --- good files ---------------------------------------------------------------------------------


def test_the_same_records_come_from_every_format(store: Store, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"item_id": "1", "title": "世界", "published_at": "2020-01-02", "price": 1.5},
        {"item_id": "2", "title": None, "published_at": None, "price": None},
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "a.csv")
    pl.DataFrame(rows).write_csv(tmp_path / "a.tsv", separator="\t")
    pl.DataFrame(rows).write_ndjson(tmp_path / "a.jsonl")
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    seen = []
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        ingest_file(tmp_path / f"a.{suffix}", "items", store)
        seen.append(list(store.items()))
    assert seen[0][0].attributes == {"price": 1.5}
    assert seen == [seen[0]] * 4


def test_an_event_says_what_it_was_about(shop: Store, write: Write) -> None:
    """The context of a row, or none where its cell is empty."""
    path = write("events.csv", "user_id,item_id,action,context\nu,1,tag,3\nu,2,tag,\n")
    ingest_file(path, "events", shop)
    assert [event.context for event in shop.history("u")] == [None, "3"]


def test_files_load_in_the_order_in_which_they_refer_to_each_other(
    store: Store, write: Write
) -> None:
    report = ingest(
        store,
        events=write("events.csv", EVENTS),
        relations=[write("relations.csv", "subject,predicate,object\nu,follows,v\n")],
        users=str(write("users.csv", "user_id,tags\nu,a|b\n")),
        items=write("items.csv", ITEMS),
    )
    assert [file.kind for file in report.files] == ["items", "users", "relations", "events"]
    assert (report.loaded, report.skipped) == (8, 0)
    counts = store.counts()
    assert (counts.items, counts.users, counts.events, counts.relations) == (3, 2, 3, 1)


def test_a_file_that_fails_leaves_the_files_before_it(store: Store, write: Write) -> None:
    bad = write("events.csv", EVENTS.replace("u,2", "u,99"))
    with pytest.raises(IngestError) as caught:
        ingest(store, items=write("items.csv", ITEMS), events=bad)
    assert [file.loaded for file in caught.value.report.files] == [3, 0]
    assert (store.counts().items, store.counts().events) == (3, 0)


def test_the_same_events_twice_are_loaded_once(shop: Store, write: Write) -> None:
    path = write("events.csv", "user_id,item_id,action,event_id\nu,1,view,e1\nu,2,view,e2\n")
    assert ingest_file(path, "events", shop).loaded == 2
    before = shop.fingerprint()
    again = ingest_file(path, "events", shop)
    assert (again.rows, again.loaded, again.repeated, again.skipped) == (2, 0, 2, 0)
    assert shop.fingerprint() == before


@pytest.mark.parametrize("batch_size", [1, 10])
def test_an_event_id_twice_in_one_file_counts_as_repeated(
    shop: Store, write: Write, batch_size: int
) -> None:
    path = write("events.csv", "user_id,item_id,action,event_id\nu,1,view,e\nu,2,view,e\n")
    report = ingest_file(path, "events", shop, batch_size=batch_size)
    assert (report.loaded, report.repeated) == (1, 1)


def test_items_and_users_replace_those_of_their_id(store: Store, write: Write) -> None:
    ingest_file(write("a.csv", "item_id,title,price\n1,old,5\n"), "items", store)
    ingest_file(write("b.csv", "item_id,title\n1,new\n"), "items", store)
    assert list(store.items()) == [Item(item_id="1", title="new")]


def test_a_misspelt_column_of_items_is_kept_and_noted(store: Store, write: Write) -> None:
    report = ingest_file(write("a.csv", "item_id,Titel,colour\n1,one,red\n"), "items", store)
    assert report.problems == []
    (note,) = report.notes
    assert "'Titel'" in note
    assert "did you mean 'title'?" in note
    lines = write("a.jsonl", '{"item_id": "1", "discription": "x"}\n{"item_id": "2", "size": 3}\n')
    assert "'description'" in ingest_file(lines, "items", store).notes[0]


def test_records_of_an_importer_take_the_same_path(shop: Store) -> None:
    rows = [(4, {"user_id": "u", "item_id": "1", "action": "view"}), (9, {"user_id": "u"})]
    source = Path("made-up.dat")
    report = ingest_records([Batch(rows)], "events", shop, path=source, on_error="skip")
    assert (report.loaded, report.skipped) == (1, 1)
    assert wrong(report) == [(9, "item_id"), (9, "action")]
    parts = [Part("users", source, [Batch([(1, {"user_id": "x"})])]), Part("users", source, [])]
    assert ingest_parts(parts, shop).loaded == 1


def test_progress_reaches_the_size_of_the_file(store: Store, write: Write) -> None:
    done: list[int] = []

    class Task:
        def advance(self, amount: int = 1) -> None:
            done.append(amount)

        def __enter__(self) -> Task:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    class Recorder:
        def task(self, label: str, total: int | None, unit: str) -> Task:
            assert (label, total, unit) == ("ingest items.jsonl", path.stat().st_size, "bytes")
            return Task()

    path = write("items.jsonl", '{"item_id": "1"}\n' * 5000)
    ingest_file(path, "items", store, progress=Recorder(), batch_size=100)
    assert len(done) == 50
    assert sum(done) == path.stat().st_size


# --- bad rows: fail keeps nothing, skip keeps the rest ------------------------------------------

BAD_ROWS = {
    "missing id": ("items", "item_id,title\n1,a\n,b\n3,c\n", "item_id", "nothing", "an id"),
    "id too long": ("items", f"item_id\n1\n{'x' * 257}\n3\n", "item_id", "'xxx", "at most 256"),
    "unparsable time": (
        "items", "item_id,published_at\n1,2020-01-02\n2,soon\n3,\n", "published_at", "'soon'",
        "a time as ISO 8601 or as seconds since 1970-01-01 UTC",
    ),
    "unparsable time of an event": (
        "events", "user_id,item_id,action,timestamp\nu,1,a,1\nu,1,a,32 May\nu,1,a,3\n",
        "timestamp", "'32 May'", "a time as ISO 8601",
    ),
    "NaN": (
        "events", "user_id,item_id,action,value\nu,1,a,1\nu,1,a,NaN\nu,1,a,3\n", "value", "'NaN'",
        "a finite number",
    ),
    "mixed types": (
        "events", "user_id,item_id,action,value\nu,1,a,1\nu,1,a,many\nu,1,a,3\n", "value",
        "'many'", "a finite number",
    ),
    "wrong encoding": (
        "items", b"item_id,title\n1,a\n2,b" + b"\xe9\n3,c\n", "title", r"'b\udce9'",
        "text in the encoding of the file",
    ),
    "wrong encoding of an attribute": (
        "items", b"item_id,colour\n1,a\n2,\xe9\n3,c\n", "colour", r"'\udce9'", "text in UTF-8",
    ),
    "10 MB cell": (
        "items", f"item_id,title\n1,a\n2,{'x' * 10_000_000}\n3,c\n", "title", "'xxx",
        "at most 1000000 characters",
    ),
    "10 MB cell of an attribute": (
        "items", f"item_id,colour\n1,a\n2,{'x' * 10_000_000}\n3,c\n", "colour", "'xxx",
        "at most 1000000 characters",
    ),
    "unknown item": (
        "events", EVENTS.replace("u,2", "u,99"), "item_id", "'99'",
        "the id of an item (or user) ingested before",
    ),
    "unknown context": (
        "events", "user_id,item_id,action,context\nu,1,a,2\nu,1,a,u\nu,1,a,\n", "context", "'u'",
        "the id of an item ingested before",
    ),
    "row of another width": ("items", "item_id,title\n1,a\n2\n3,c\n", None, "1 cells", "2 cells"),
    "unknown kind": (
        "items", "item_id,kind\n1,item\n2,person\n3,content\n", "kind", "'person'",
        "item, content, activity or tag",
    ),
    "no boolean": (
        "items", "item_id,available\n1,true\n2,perhaps\n3,0\n", "available", "'perhaps'",
        "true or false",
    ),
    "long tag": (
        "users", f"user_id,tags\n1,a\n2,b|{'x' * 300}\n3,c\n", "tags", "'xxx", "at most 256",
    ),
    "NUL": ("items", "item_id,title\n1,a\n2,b\0\n3,c\n", "title", r"'b\x00'", "text without NUL"),
    "empty relation": (
        "relations", "subject,predicate,object\na,b,c\na,,c\na,b,d\n", "predicate", "nothing",
        "a word",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_drops_its_file_or_is_left_out(shop: Store, write: Write, case: str) -> None:
    """The report names file, row, column, value and what was expected."""
    kind, content, column, value, expected = BAD_ROWS[case]
    path = write("bad.csv", content)
    for report in (
        refused(shop, path, kind),
        ingest_file(path, kind, shop, on_error="skip"),  # type: ignore[arg-type]
    ):
        (problem,) = report.problems
        assert (problem.file, problem.row, problem.column) == (str(path), 2, column)
        assert value in problem.value
        assert len(problem.value) <= 80
        assert expected in problem.expected
    assert (report.rows, report.loaded, report.skipped) == (3, 2, 1)


BAD_LINES = {
    "unknown column": (
        {"user_id": "u", "item_id": "1", "action": "a", "colour": 1}, "colour",
        "a column of events; allowed: action",
    ),
    "number as id": ({"user_id": 1.5, "item_id": "1", "action": "a"}, "user_id", "an id"),
    "list as id": ({"user_id": ["u"], "item_id": "1", "action": "a"}, "user_id", "an id"),
    "object as value": (
        {"user_id": "u", "item_id": "1", "action": "a", "value": {}}, "value", "a finite number",
    ),
    "NaN": (
        {"user_id": "u", "item_id": "1", "action": "a", "value": float("nan")}, "value",
        "a finite number",
    ),
    "half a character": (
        {"user_id": "\ud83d", "item_id": "1", "action": "a"}, "user_id", "text in the encoding",
    ),
    "no object": ([1], None, "a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_json_line_drops_its_file_or_is_left_out(
    shop: Store, write: Write, case: str
) -> None:
    line, column, expected = BAD_LINES[case]
    good = json.dumps({"user_id": "u", "item_id": 1, "action": "a"})
    path = write("bad.jsonl", f"{good}\n{json.dumps(line)}\n{good}\n")
    assert wrong(refused(shop, path, "events")) == [(2, column)]
    report = ingest_file(path, "events", shop, on_error="skip")
    assert (report.loaded, report.skipped, wrong(report)) == (2, 1, [(2, column)])
    assert expected in report.problems[0].expected


def test_nan_and_mixed_types_in_parquet_are_named_by_row(shop: Store, tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    events = {"user_id": ["u"] * 3, "item_id": ["1"] * 3, "action": ["a"] * 3}
    pl.DataFrame({**events, "value": [1.0, np.nan, 3.0]}).write_parquet(path)
    assert wrong(refused(shop, path, "events")) == [(2, "value")]
    pl.DataFrame({**events, "value": ["1", "2", "many"]}).write_parquet(path)
    report = ingest_file(path, "events", shop, on_error="skip")
    assert (report.loaded, wrong(report)) == (2, [(3, "value")])


def test_nested_attributes_are_refused_by_their_column(store: Store, write: Write) -> None:
    path = write("items.jsonl", '{"item_id": "1", "size": {"w": 3}}\n{"item_id": "2"}\n')
    report = ingest_file(path, "items", store, on_error="skip")
    (problem,) = report.problems
    assert (problem.row, problem.column, problem.value) == (1, "size", "{'w': 3}")
    assert problem.expected == "text, a number, true or false, or a list of texts"


def test_several_problems_of_a_row_leave_out_one_row(shop: Store, write: Write) -> None:
    path = write("events.csv", "user_id,item_id,action,value\n,1,,x\nu,1,view,2\n")
    report = ingest_file(path, "events", shop, on_error="skip")
    assert wrong(report) == [(1, "user_id"), (1, "action"), (1, "value")]
    assert (report.rows, report.loaded, report.skipped) == (2, 1, 1)


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_a_user_may_be_a_target_once_a_row_before_made_them_one(
    shop: Store, write: Write, batch_size: int
) -> None:
    """What is accepted does not depend on where a batch ends."""
    rows = "user_id,item_id,action\nann,bob,follow\nbob,ann,follow\ncat,1,view\nbob,cat,follow\n"
    report = ingest_file(
        write("e.csv", rows), "events", shop, on_error="skip", batch_size=batch_size
    )
    # the refused first row makes no user of ann, and without her the second has no target
    assert wrong(report) == [(1, "item_id"), (2, "item_id")]
    assert {user.user_id for user in shop.users()} == {"cat", "bob"}
    assert report.loaded == 2


def test_the_report_keeps_the_first_problems_and_counts_the_rest(
    store: Store, write: Write
) -> None:
    rows = "item_id,published_at\n" + "".join(f"{n},soon\n" for n in range(MAX_PROBLEMS + 7))
    path = write("items.csv", rows)
    with pytest.raises(IngestError, match=f"{MAX_PROBLEMS + 7} problems") as caught:
        ingest_file(path, "items", store, batch_size=10)
    (report,) = caught.value.report.files
    assert (len(report.problems), report.more_problems) == (MAX_PROBLEMS, 7)
    assert "and 102 more" in str(caught.value)


# --- files that are wrong as a whole: skip does not help ----------------------------------------

WHOLE = {
    "no required column": ("items", "id,title\n1,a\n2,b\n", "item_id"),
    "unknown column": ("events", "user_id,item_id,action,times\nu,1,view,3\n", "times"),
    "empty": ("items", "", None),
    "header only": ("items", "item_id,title\n", None),
    "repeated column": ("items", "item_id,item_id\n1,2\n", "item_id"),
    "UTF-16": ("items", ITEMS.encode("utf-16"), None),
    "semicolons": ("items", "item_id;title\n1;a\n", "item_id"),
}


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("case", WHOLE)
def test_what_is_wrong_with_a_whole_file_is_one_problem_and_refuses_it(
    shop: Store, write: Write, case: str, on_error: str
) -> None:
    kind, content, column = WHOLE[case]
    report = refused(shop, write("bad.csv", content), kind, on_error=on_error)
    assert wrong(report) == [(None, column)]


def test_an_unknown_column_of_events_comes_with_a_suggestion(shop: Store, write: Write) -> None:
    path = write("e.csv", "user_id,item_id,action,timestmp\nu,1,view,3\n")
    (problem,) = refused(shop, path, "events").problems
    assert problem.expected == "a column of events; did you mean 'timestamp'?"


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_truncated_parquet_file_keeps_nothing(
    store: Store, tmp_path: Path, on_error: str
) -> None:
    path = tmp_path / "items.parquet"
    pl.DataFrame({"item_id": [str(number) for number in range(1000)]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert wrong(refused(store, path, "items", on_error=on_error)) == [(None, None)]


def test_damage_after_good_batches_keeps_nothing_even_with_skip(store: Store, write: Write) -> None:
    rows = "".join(f"{number},x\n" for number in range(1000))
    path = write("items.csv", f'item_id,title\n{rows}1000,"never closed\n')
    report = refused(store, path, "items", on_error="skip", batch_size=100)
    assert wrong(report) == [(None, None)]


def test_wrong_bytes_that_cannot_be_placed_in_a_cell_refuse_the_file(
    store: Store, write: Write
) -> None:
    path = write("items.csv", ITEMS.encode("utf-16")[:-1])
    report = refused(store, path, "items", on_error="skip", encoding="utf-16")
    assert wrong(report) == [(None, None)]
    assert report.problems[0].expected.startswith("text in utf-16")


def test_wrong_arguments_are_the_callers_errors(store: Store, write: Write) -> None:
    path = write("items.csv", ITEMS)
    with pytest.raises(ValueError, match="kind is one of"):
        ingest_file(path, "things", store)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fail or skip"):
        ingest_file(path, "items", store, on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="unknown encoding"):
        ingest_file(path, "items", store, encoding="utf-99")


def test_only_where_people_are_recommended_may_a_target_be_a_user(
    tmp_path: Path, store: Store
) -> None:
    """With ids such as 1, 2, 3 a missing item is not taken for a person."""
    path = tmp_path / "events.csv"
    path.write_text(
        "user_id,item_id,action,scenario\n1,2,view,social\n2,1,view,social\n1,2,view,shop\n1,2,view,\n"
    )
    with store.write() as writer:
        writer.put_users([User(user_id="1"), User(user_id="2")])
    report = ingest(store, events=path, on_error="skip", people=["social"])
    assert (report.loaded, report.skipped) == (2, 2)
    assert [problem.row for problem in report.files[0].problems] == [3, 4]
    assert "an item ingested before" in report.files[0].problems[0].expected
