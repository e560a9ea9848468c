from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.data.importers import get_importer, import_folder, importer_names
from polyscene.data.ingest import ingest
from polyscene.data.schema import Event, Item, Relation, User, parse_timestamp
from polyscene.data.tags import GivenTag
from polyscene.errors import DataError, IngestError, NotFoundError
from polyscene.storage import Store, Untold, given_tags

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def folder(path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def items(store: Store) -> dict[str, Item]:
    return {item.item_id: item for item in store.items()}


def real(data_dir: Path, name: str) -> Path:
    if not (data_dir / name).is_dir():
        pytest.skip(f"no {name} in {data_dir}")
    return data_dir / name


# --- the registry -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", importer_names())
def test_every_importer_says_what_it_reads_and_names_what_is_missing(
    name: str, tmp_path: Path
) -> None:
    importer = get_importer(name)
    assert importer.name == name
    assert importer.description
    with pytest.raises(DataError, match="found no "):
        list(importer.read(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        list(importer.read(tmp_path / "nowhere"))


def test_an_unknown_format_comes_with_a_suggestion() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'movielens'"):
        get_importer("movie-lens")


def test_an_option_that_a_format_lacks_is_said_with_those_that_have_it() -> None:
    able = "lastfm, lastfm-tags, movielens"
    with pytest.raises(DataError, match=f"gorse has no option exclude_tags_of; .*: {able}"):
        get_importer("gorse", exclude_tags_of=["7"])
    with pytest.raises(DataError, match=r"lastfm has no option action; .*: recbole"):
        get_importer("lastfm", action="play")
    with pytest.raises(DataError, match="no option colour; no format has it"):
        get_importer("lastfm", colour="red")


# --- MovieLens ----------------------------------------------------------------------------------

MOVIELENS: dict[str, str | bytes] = {
    "movies.csv": 'movieId,title,genres\n1,"Hund, Der (1995)",Comedy|Drama\n'
    "2,Untitled,(no genres listed)\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n7,1,4.5,964982703\n8,2,1.0,964982704\n",
    "tags.csv": "userId,movieId,tag,timestamp\n7,1,Dogs,1\n8,1,dogs,1\n8,1,alpine,1\n7,2,odd,1\n",
    "items_with_overview.csv": "movieId,overview\n1,A dog.\n2,\n",
}


def test_movielens_films_have_genres_tags_year_and_overview(store: Store, tmp_path: Path) -> None:
    import_folder("movielens", folder(tmp_path, MOVIELENS), store)
    first, second = store.items()
    film = Item(
        item_id="1",
        kind="content",
        title="Hund, Der (1995)",
        description="A dog.",
        tags=["Comedy", "Drama", "dogs", "alpine"],
        language="en",
    )
    assert first == film.model_copy(update={"year": 1995})
    assert (second.tags, second.description, second.attributes) == (["odd"], "", {})
    (event,) = store.history("7")
    assert event == Event(
        user_id="7", item_id="1", action="rate", value=4.5, timestamp=964982703.0,
        event_id="ml-7-1",
    )  # fmt: skip


def test_movielens_needs_neither_tags_nor_overviews(store: Store, tmp_path: Path) -> None:
    names = ("movies.csv", "ratings.csv")
    import_folder("movielens", folder(tmp_path, {n: MOVIELENS[n] for n in names}), store)
    assert store.counts().events == 2


def test_tags_of_users_under_test_are_left_out(store: Store, tmp_path: Path) -> None:
    import_folder("movielens", folder(tmp_path, MOVIELENS), store, exclude_tags_of={"8"})
    assert items(store)["1"].tags == ["Comedy", "Drama", "dogs"]


def test_who_gave_which_tag_is_kept(store: Store, tmp_path: Path) -> None:
    """Whoever was left out is not among them, and another import of the format starts anew."""
    import_folder("movielens", folder(tmp_path, MOVIELENS), store)
    assert list(given_tags(store, "7")) == [
        GivenTag("7", "1", "dogs", 1.0), GivenTag("7", "2", "odd", 1.0)
    ]  # fmt: skip
    assert {one.user_id for one in given_tags(store)} == {"7", "8"}
    import_folder("movielens", tmp_path, store, exclude_tags_of=["8"])
    assert {one.user_id for one in given_tags(store)} == {"7"}
    import_folder("movielens", tmp_path, store, exclude_tags_of=["7", "8", "9"])
    assert list(given_tags(store)) == []
    assert items(store)["1"].tags == ["Comedy", "Drama"]


def test_no_tag_is_kept_when_the_films_were_not(store: Store, tmp_path: Path) -> None:
    bad = MOVIELENS | {"movies.csv": "movieId,title,genres\n,Untitled,Comedy\n"}
    with pytest.raises(IngestError):
        import_folder("movielens", folder(tmp_path, bad), store)
    assert list(given_tags(store)) == []


def test_the_moment_of_a_tag_may_be_missing_or_wrong(store: Store, tmp_path: Path) -> None:
    tags = "userId,movieId,tag,timestamp\n7,1,a,soon\n7,1,b,\n7,1,c,3\n"
    import_folder("movielens", folder(tmp_path, MOVIELENS | {"tags.csv": tags}), store)
    found = {one.tag: one.timestamp for one in given_tags(store)}
    assert found == {"a": None, "b": None, "c": 3.0}


def test_a_bad_rating_is_named_by_its_row_and_skipped_when_asked(
    store: Store, tmp_path: Path
) -> None:
    bad = MOVIELENS | {"ratings.csv": "userId,movieId,rating\n7,1,good\n8,2,1.0\n"}
    with pytest.raises(IngestError, match=r"ratings.csv, row 1, column value: got 'good'"):
        import_folder("movielens", folder(tmp_path, bad), store)
    report = import_folder("movielens", tmp_path, store, on_error="skip")
    assert (report.skipped, store.counts().events) == (1, 1)


def test_a_file_without_a_needed_column_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    bad = MOVIELENS | {"ratings.csv": "user,movieId,rating\n7,1,3\n"}
    with pytest.raises(DataError, match="no column 'userId'; the columns are user, movieId"):
        import_folder("movielens", folder(tmp_path, bad), store)


def test_movielens_really(store: Store, data_dir: Path) -> None:
    """The copy at hand has one damaged timestamp; everything else loads."""
    report = import_folder("movielens", real(data_dir, "movielens-small"), store, on_error="skip")
    counts = store.counts()
    assert (counts.items, counts.users, counts.events + report.skipped) == (9742, 610, 100_836)
    assert report.skipped <= 1
    film = store.item("1")
    assert film is not None
    assert (film.title, film.attributes) == ("Toy Story (1995)", {"year": 1995})
    assert film.tags[:2] == ["Adventure", "Animation"]
    assert "pixar" in film.tags


# --- Last.fm ------------------------------------------------------------------------------------

LASTFM: dict[str, str | bytes] = {
    "artists.dat": 'id\tname\turl\n1\t"Björk" \thttp://b\n2\tTwo\thttp://t\n',
    "tags.dat": "tagID\ttagValue\n1\tTropicália\n2\tpop\n".encode("latin-1"),
    "user_artists.dat": "userID\tartistID\tweight\r\n5\t1\t100\r\n6\t2\t7\r\n",
    "user_taggedartists.dat": "userID\tartistID\ttagID\n5\t1\t1\n6\t1\t2\n5\t1\t2\n6\t2\t2\n",
    "user_friends.dat": "userID\tfriendID\n5\t6\n6\t5\n6\t9\n",
}


def test_lastfm_artists_users_friends_and_listens(store: Store, tmp_path: Path) -> None:
    import_folder("lastfm", folder(tmp_path, LASTFM), store)
    first = items(store)["1"]
    assert (first.kind, first.title, first.tags) == ("content", '"Björk" ', ["pop", "tropicália"])
    assert list(store.users()) == [
        User(user_id="5", tags=["pop", "tropicália"]),
        User(user_id="6", tags=["pop"]),
        User(user_id="9"),
    ]
    assert list(store.relations("friend", subject="6")) == [
        Relation(subject="6", predicate="friend", object="5"),
        Relation(subject="6", predicate="friend", object="9"),
    ]
    assert [(event.action, event.value) for event in store.history("5")] == [("listen", 100.0)]


def test_lastfm_leaves_out_tags_of_users_under_test_everywhere(
    store: Store, tmp_path: Path
) -> None:
    import_folder("lastfm", folder(tmp_path, LASTFM), store, exclude_tags_of=["5"])
    assert items(store)["1"].tags == ["pop"]
    assert store.user("5") == User(user_id="5")
    assert {one.user_id for one in given_tags(store)} == {"6"}


@pytest.mark.parametrize(("name", "files"), [("movielens", MOVIELENS), ("lastfm", LASTFM)])
def test_without_the_tags_of_some_a_store_is_as_if_they_had_been_left_out(
    store: Store, tmp_path: Path, name: str, files: dict[str, str | bytes]
) -> None:
    """Of whoever it is, alone and together."""
    import_folder(name, folder(tmp_path, files), store)
    for users in [], ["5"], ["6"], ["7"], ["8"], ["5", "6", "7", "8"]:
        with Store.open(f"sqlite:///{tmp_path / '-'.join(users)}.db") as other:
            import_folder(name, tmp_path, other, exclude_tags_of=users)
            assert_same(Untold(store, users), other)


@pytest.mark.parametrize("name", ["movielens", "lastfm"])
def test_without_the_tags_of_half_really(
    store: Store, tmp_path: Path, data_dir: Path, name: str
) -> None:
    """Tags move up where others leave, and the order is that of the counts that are left."""
    path = real(data_dir, {"movielens": "movielens-small", "lastfm": "lastfm-2k"}[name])
    import_folder(name, path, store, on_error="skip")
    half = sorted({one.user_id for one in given_tags(store)})[::2]
    untold = Untold(store, half)
    assert untold.givers == set(half)
    assert len(untold.changed_items()) > 100
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        import_folder(name, path, other, on_error="skip", exclude_tags_of=half)
        assert_same(untold, other)


def assert_same(store: Store, other: Store) -> None:
    assert list(store.items()) == list(other.items())
    assert list(store.users()) == list(other.users())
    assert store.counts() == other.counts()


def test_lastfm_really(store: Store, data_dir: Path) -> None:
    """Then its tags: no row twice; one tagged artist in a few is not among the artists."""
    path = real(data_dir, "lastfm-2k")
    import_folder("lastfm", path, store)
    counts = store.counts()
    assert (counts.items, counts.users, counts.events) == (17_632, 1892, 92_834)
    assert counts.relations == 25_434
    assert all(len(item.tags) <= 10 for item in store.items())
    import_folder("lastfm-tags", path, store)
    data = store.dataset()
    assert int(data.is_tag.sum()) == 11_946
    tagged = data.take(data.on_tag)
    assert len(tagged) == 186_478
    assert (tagged.context >= 0).all()
    assert not np.isnan(tagged.timestamp).any()


def test_lastfm_tags_are_items_and_what_was_tagged_is_the_context(
    store: Store, tmp_path: Path
) -> None:
    """Artist 3 is named by tags alone; it becomes an empty item, the others stay as they are."""
    files = LASTFM | {
        "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\n"
        "5\t1\t1\t3\t11\t2009\n5\t1\t2\t3\t11\t2009\n6\t3\t2\t1\t4\t2010\n"
    }
    path = folder(tmp_path, files)
    import_folder("lastfm", path, store)
    before = items(store)["1"]
    report = import_folder("lastfm-tags", path, store)
    assert [file.loaded for file in report.files] == [2, 1, 3]
    assert items(store)["1"] == before
    assert items(store)["tag-1"] == Item(item_id="tag-1", kind="tag", title="tropicália")
    assert items(store)["3"] == Item(item_id="3")
    given = [one for one in store.history("5") if one.action == "tag"]
    assert [(one.item_id, one.context) for one in given] == [("tag-2", "1"), ("tag-1", "1")]
    assert {one.timestamp for one in given} == {parse_timestamp("2009-11-03")}
    assert import_folder("lastfm-tags", path, store).files[-1].repeated == 3


def test_lastfm_tags_take_the_finer_times_where_they_are(store: Store, tmp_path: Path) -> None:
    """In milliseconds; and leave out users under test."""
    times = "userID\tartistID\ttagID\ttimestamp\n5\t1\t1\t1238536800000\n6\t2\t2\t1\n"
    path = folder(tmp_path, LASTFM | {"user_taggedartists-timestamps.dat": times})
    import_folder("lastfm", path, store)
    import_folder("lastfm-tags", path, store, exclude_tags_of=["6"])
    assert store.history("5")[0].timestamp == 1_238_536_800
    assert [one.action for one in store.history("6")] == ["listen"]


def test_lastfm_tags_need_the_artists(store: Store, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="column context: got '1'; expected the id of an item"):
        import_folder("lastfm-tags", folder(tmp_path, LASTFM), store)


# --- RecBole ------------------------------------------------------------------------------------

RECBOLE: dict[str, str | bytes] = {
    "x.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\tyear:float\ta:token\n"
    "1\tToy Story\tAnimation Comedy\t1995\tz\n2\tTwo\tSci-Fi, Slice of Life\t\t\n",
    "x.user": "user_id:token\tage:float\tinterests:token_seq\nu\t24\tdogs cats\n",
    "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\tsession:token\n"
    "u\t1\t4\t874965758\ts\nv\t3\t2\t874965759\ts\n",
    "x.kg": "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm.director\tm.2\n",
    "x.link": "item_id:token\tentity_id:token\n1\tm.1\n",
    "x.net": "source_id:token\ttarget_id:token\nu\tv\n",
}


def test_recbole_atomic_files(store: Store, tmp_path: Path) -> None:
    import_folder("recbole", folder(tmp_path, RECBOLE), store)
    first, second, third = store.items()
    assert (first.title, first.tags) == ("Toy Story", ["Animation", "Comedy"])
    assert first.attributes == {"year": 1995.0, "a": "z"}
    assert second.tags == ["Sci-Fi", "Slice of Life"]
    assert third == Item(item_id="3")  # only an event names it
    user = store.user("u")
    assert user is not None
    assert (user.tags, user.attributes) == (["dogs", "cats"], {"age": 24.0})
    (event,) = store.history("u")
    assert (event.action, event.value, event.timestamp) == ("rate", 4.0, 874965758.0)
    assert list(store.relations()) == [
        Relation(subject="1", predicate="film.director", object="m.2"),
        Relation(subject="u", predicate="follows", object="v"),
    ]


def test_recbole_labels_say_whether_there_was_an_event(store: Store, tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\tlabel:float\nu\t1\t1\nu\t2\t0\n"
    import_folder("recbole", folder(tmp_path, {"x.inter": inter}), store, action="view")
    assert [(event.item_id, event.action) for event in store.history("u")] == [("1", "view")]


def test_recbole_bad_numbers_are_reported_as_they_are(store: Store, tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\trating:float\nu\t1\tfour\n"
    with pytest.raises(IngestError, match="column value: got 'four'; expected a finite number"):
        import_folder("recbole", folder(tmp_path, {"x.inter": inter}), store)


def test_recbole_headers_without_types_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column user_id:token in the header"):
        import_folder("recbole", folder(tmp_path, {"x.inter": "user_id\titem_id\nu\t1\n"}), store)


# --- Amazon Personalize -------------------------------------------------------------------------

PERSONALIZE: dict[str, str | bytes] = {
    "Interactions.csv": "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,IMPRESSION\n"
    "u,1,1700000000,Watch,0.5,1|2\nu,9,1700000001,,,\n",
    "items.csv": "ITEM_ID,TITLE,CATEGORY_L1,GENRES,CREATION_TIMESTAMP,PRICE\n"
    "1,One,Film,Drama|War,1600000000,9.5\n",
    "users.csv": "USER_ID,AGE,GENDER\nu,33,f\n",
}


def test_personalize_files(store: Store, tmp_path: Path) -> None:
    import_folder("personalize", folder(tmp_path, PERSONALIZE), store)
    first, second = store.items()
    assert (first.title, first.tags) == ("One", ["Film", "Drama", "War"])
    assert (first.published_at, first.attributes) == (1_600_000_000.0, {"price": 9.5})
    assert second == Item(item_id="9")
    user = store.user("u")
    assert user is not None
    assert user.attributes == {"age": 33, "gender": "f"}
    assert [(event.action, event.value) for event in store.history("u")] == [
        ("click", 1.0),
        ("watch", 0.5),
    ]


# --- Gorse --------------------------------------------------------------------------------------


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


GORSE: dict[str, str | bytes] = {
    "items.jsonl": lines(
        {"ItemId": "1", "IsHidden": True, "Categories": ["film"], "Labels": ["war"],
         "Timestamp": "2020-01-02T00:00:00Z", "Comment": "One"},
        {"ItemId": "2", "IsHidden": False, "Categories": None, "Comment": "",
         "Labels": {"topics": ["a", "b"], "stars": 5, "embedding": [0.1, 0.2]}},
    ),
    "users.jsonl": lines({"UserId": "u", "Labels": ["dogs"], "Comment": "likes dogs"}),
    "feedback.jsonl": lines(
        {"FeedbackType": "star", "UserId": "u", "ItemId": "1", "Timestamp": "2021-01-01T00:00:00Z"},
        {"FeedbackType": "star", "UserId": "u", "ItemId": "1", "Timestamp": "2022-01-01T00:00:00Z"},
        {"FeedbackType": "read", "UserId": "u", "ItemId": "7", "Value": 2},
    ),
}  # fmt: skip


def test_gorse_dump(store: Store, tmp_path: Path) -> None:
    report = import_folder("gorse", folder(tmp_path, GORSE), store)
    first, second, third = store.items()
    assert (first.title, first.tags, first.available) == ("One", ["film", "war"], False)
    assert (second.title, second.tags, second.attributes) == ("", ["a", "b"], {"stars": 5})
    assert third == Item(item_id="7")
    assert store.user("u") == User(user_id="u", tags=["dogs"], description="likes dogs")
    assert [(event.action, event.value) for event in store.history("u")] == [
        ("star", 1.0),
        ("read", 2.0),
    ]
    assert report.files[-1].repeated == 1


def test_ids_too_long_to_join_still_make_an_event_id(store: Store, tmp_path: Path) -> None:
    feedback = lines({"FeedbackType": "star", "UserId": "u" * 200, "ItemId": "i" * 200})
    import_folder("gorse", folder(tmp_path, {"feedback.jsonl": feedback}), store)
    assert store.counts().events == 1


# --- the recipes in examples/ -------------------------------------------------------------------


def run_example(script: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_amazon_recipe_leaves_out_the_held_out_rows(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    folder(
        source,
        {
            "items.derived.csv": "item,domain,item_title,item_attribute\n0,arts,glue,arts crafts\n"
            "1,office,pen,office pens\n",
            "interactions.derived.csv": "user,item,pos,role,file_split,domain\n"
            "4,0,1,history,train,arts\n4,1,0,history,train,office\n4,1,2,target,train,office\n",
        },
    )
    printed = run_example("amazon_art_office.py", source, tmp_path)
    assert "ingest --items" in printed
    ingest(store, items=tmp_path / "items.csv", events=tmp_path / "events.csv")
    assert items(store)["1"] == Item(
        item_id="1", title="pen", description="office pens", language="en", scenarios=["office"]
    )
    assert [(e.item_id, e.scenario) for e in store.history("4")] == [("0", "arts"), ("1", "office")]
    run_example("amazon_art_office.py", source, tmp_path, "--with-targets")
    assert ingest(store, events=tmp_path / "events.csv").files[0].loaded == 1


def test_amazon_recipe_really(store: Store, data_dir: Path, tmp_path: Path) -> None:
    run_example("amazon_art_office.py", real(data_dir, "amazon-art-office"), tmp_path)
    ingest(store, items=tmp_path / "items.csv", events=tmp_path / "events.csv")
    counts = store.counts()
    assert (counts.items, counts.users, counts.events) == (38_396, 9577, 208_541 - 19_154)


def test_douban_recipe_really(store: Store, data_dir: Path, tmp_path: Path) -> None:
    run_example("douban_cn.py", real(data_dir, "douban-cn"), tmp_path)
    ingest(store, items=tmp_path / "items.csv", events=tmp_path / "events.csv")
    counts = store.counts()
    assert (counts.items, counts.users, counts.events) == (1000, 1000, 40_381)
    film = items(store)["1"]
    assert (film.title, film.language) == ("雪崩行动", "zh")
    assert set(film.attributes) <= {"directors", "actors", "countries", "year"}
