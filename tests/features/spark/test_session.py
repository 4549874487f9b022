"""What a user reads when Spark cannot be had; nothing here starts one."""

import socket
import sys

import pytest

from features.config import Settings, load
from features.errors import SourceError
from features.spark.session import open_session


def settings(tmp_path, spark: str = "") -> Settings:
    (tmp_path / "keepwell.toml").write_text(
        f'engine = "spark"\n[sources.subscriptions]\npath = "terms.csv"\n[spark]\n{spark}', encoding="utf-8"
    )
    return load(tmp_path / "keepwell.toml")


def opened(given: Settings) -> None:
    with open_session(given):
        pytest.fail("a session was started")


def test_without_pyspark_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(SourceError, match=r'not installed: pip install "keepwell\[spark\]"'):
        opened(settings(tmp_path))


class TestWithPySpark:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip(
            "pyspark", reason="Spark suite: pyspark is not installed; `make test` installs it beside Java"
        )

    def test_without_java_it_says_which_one_to_install(self, tmp_path, monkeypatch):
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SourceError, match=r"Spark needs Java 17 or newer, and there is no `java` on the PATH"):
            opened(settings(tmp_path))

    @pytest.mark.parametrize("scheme", ["spark", "sc"])
    def test_a_master_at_which_nothing_listens_is_named_with_its_address(self, tmp_path, scheme):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with pytest.raises(SourceError, match=rf'master = "{scheme}://127.0.0.1:{port}" does not answer'):
                opened(settings(tmp_path, f'master = "{scheme}://127.0.0.1:{port}"'))

    def test_a_setting_that_would_change_values_is_refused(self, tmp_path):
        with pytest.raises(SourceError, match=r"spark\.sql\.session\.timeZone is Keepwell's own, UTC"):
            opened(settings(tmp_path, 'settings = {"spark.sql.session.timeZone" = "Europe/Berlin"}'))


def test_settings_are_written_as_spark_spells_them(tmp_path):
    read = settings(tmp_path, 'settings = {"spark.speculation" = true, "spark.task.cpus" = 2}')
    assert read.engine == "spark"
    assert read.spark.settings == {"spark.speculation": "true", "spark.task.cpus": "2"}
