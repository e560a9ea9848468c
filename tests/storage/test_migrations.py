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

from polyscene.errors import WorkspaceError
from polyscene.storage import Store, migrations
from polyscene.storage.tables import metadata


def test_every_migration_is_listed_and_they_form_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == migrations.VERSIONS
    assert scripts.get_heads() == [migrations.VERSIONS[-1]]


def test_the_migrations_make_exactly_the_declared_tables(store: Store) -> None:
    with store._read() as connection:
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


def test_a_store_of_the_first_version_is_brought_to_the_newest(tmp_path: Path) -> None:
    """Its records stay; of what was imported before, no tagger is known."""
    path = tmp_path / "store.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO users (user_id, tags, description, attributes, revision) "
            "VALUES ('u', '[]', '', '{}', 1)"
        )
    engine.dispose()
    with Store.open(f"sqlite:///{path}") as store:
        assert store.user("u") is not None
        assert store.taggers() == set()
        with store.write() as writer:
            writer.put_taggers("lastfm", ["u"])
        assert store.taggers() == {"u"}
