from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from polyscene.data.schema import Event
from polyscene.data.tags import GivenTag
from polyscene.errors import WorkspaceError
from polyscene.storage import Store, given_tags, migrations, reviewed
from polyscene.storage.tables import metadata


def test_every_migration_is_listed_and_they_form_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == migrations.VERSIONS
    assert scripts.get_heads() == [migrations.VERSIONS[-1]]


def test_the_migrations_make_exactly_the_declared_tables(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        kept = "SELECT sql FROM sqlite_master WHERE name = 'events'"
        assert "ck_events_one_target" in str(connection.exec_driver_sql(kept).scalar())


def test_an_event_has_exactly_one_target(store: Store, tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "store.db")
    with pytest.raises(sqlite3.IntegrityError, match="one_target"):
        raw.execute("INSERT INTO events (user_id, action, value) VALUES ('u', 'view', 1)")
    raw.close()


def test_opening_again_keeps_the_identity_and_does_not_load_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store.open(url) as store:
        before = store.fingerprint()
    code = (
        f"import sys; from polyscene.storage import Store; store = Store.open({url!r}); "
        "assert 'alembic' not in sys.modules; print(store.fingerprint()); store.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == before


def test_a_store_of_every_older_version_keeps_what_it_holds(tmp_path: Path) -> None:
    """A store of the first version has its items and events after it was opened, and takes more."""
    path = tmp_path / "store.db"
    make_old(path, "0001")
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(
            "INSERT INTO items (item_id, kind, title, description, tags, available, scenarios, "
            "attributes, revision) VALUES ('i', 'item', 'One', '', '[]', 1, '[]', '{}', 1)"
        )
        raw.execute(
            "INSERT INTO users (user_id, tags, description, attributes, revision) "
            "VALUES ('u', '[]', '', '{}', 1)"
        )
        raw.execute(
            "INSERT INTO events (user_id, item_id, action, value) VALUES ('u', 'i', 'view', 2)"
        )
        raw.execute("UPDATE state SET revision = 1")
    raw.close()
    old = Event(user_id="u", item_id="i", action="view", value=2.0)
    with Store.open(f"sqlite:///{path}") as store:
        assert [item.title for item in store.items()] == ["One"]
        assert store.history("u") == [old]
        assert store.revision() == 1
        with store.write() as writer:
            writer.add_events([old.model_copy(update={"context": "i"})])
        assert store.dataset().context.tolist() == [-1, 0]
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        raw.execute(
            "INSERT INTO events (user_id, item_id, action, value, context) "
            "VALUES ('u', 'i', 'view', 1, 'nothing')"
        )
    raw.close()


def test_reviews_come_to_a_store_of_before(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    make_old(path, "0004")
    with Store.open(f"sqlite:///{path}") as store:
        assert reviewed(store, None, None, 9) == []


def make_old(path: Path, version: str) -> None:
    """A store as a program that knew the migrations up to a version made it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with sa.create_engine(f"sqlite:///{path}").connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def test_a_store_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(f"sqlite:///{path}").close()
    raw = sqlite3.connect(path)
    with raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WorkspaceError, match=r"newer version of polyscene \(its format is 9999"):
        Store.open(f"sqlite:///{path}")
    assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    raw.close()


def test_the_database_of_another_program_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    raw = sqlite3.connect(path)
    with raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(WorkspaceError, match=r"another program .*'bookmarks'"):
        Store.open(f"sqlite:///{path}")
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    raw.close()


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "100% store.db"  # Alembic's settings treat % as the start of a name
    path.touch()
    with Store.open(f"sqlite:///{path}") as store:
        assert store.revision() == 0


@pytest.mark.parametrize("version", ["0001", "0002", "0007"])
def test_given_tags_come_to_a_store_of_before(tmp_path: Path, version: str) -> None:
    """Its records stay; of what was imported before, nobody knows who gave what."""
    path = tmp_path / "store.db"
    make_old(path, version)
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(
            "INSERT INTO users (user_id, tags, description, attributes, revision) "
            "VALUES ('u', '[]', '', '{}', 1)"
        )
        if version == "0007":
            raw.execute("INSERT INTO taggers (origin, user_id) VALUES ('lastfm', 'u')")
    raw.close()
    one = GivenTag("u", "i", "red", 3.5)
    with Store.open(f"sqlite:///{path}") as store:
        assert store.user("u") is not None
        assert list(given_tags(store)) == []
        with store.write() as writer:
            writer.put_given_tags("lastfm", [one])
        assert list(given_tags(store)) == [one]
