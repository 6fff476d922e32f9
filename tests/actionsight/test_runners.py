"""The lists of runners: the shipped ones are GitHub's, the operator's own count over them, and a
change of either is a load like any other."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from actionsight.database import connect
from actionsight.runners import LABELS, PRICES, Changes, RunnerListError, load, loaded_rows

pytestmark = pytest.mark.integration

NOTHING = Changes(0, 0, 0)
PRICE_HEADER = "runner_class,valid_from,usd_per_minute,is_standard"
LABEL_HEADER = "label_pattern,runner_class"


class Lists:
    """A database, and the folder of an operator's lists."""

    def __init__(self, connection: psycopg.Connection[Any], folder: Path) -> None:
        self.connection = connection
        self.folder = folder

    def prices(self, *lines: str, header: str = PRICE_HEADER) -> None:
        self._write("runner_prices.csv", header, *lines)

    def labels(self, *lines: str, header: str = LABEL_HEADER) -> None:
        self._write("runner_labels.csv", header, *lines)

    def _write(self, name: str, *lines: str) -> None:
        self.folder.joinpath(name).write_text("".join(f"{line}\n" for line in lines))

    def load(self) -> tuple[Changes, Changes]:
        """Load, and give the changes of prices and labels."""
        changes = load(self.connection, self.folder)
        return changes["runner_prices"], changes["runner_labels"]

    def refused(self) -> list[str]:
        """The sentences about what is wrong, without the folder."""
        with pytest.raises(RunnerListError) as refused:
            self.load()
        return str(refused.value).replace(f"{self.folder}/", "").splitlines()

    def rows(self, query: LiteralString, *parameters: object) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def loads(self) -> list[str]:
        """What a build has to take in; the view of all loads says the same."""
        unbuilt = self.rows("select load_id from raw.unbuilt_loads order by load_id")
        assert unbuilt == self.rows("select load_id from raw.loads order by load_id")
        return [row["load_id"] for row in unbuilt]


@pytest.fixture
def lists(database_url: str, tmp_path: Path) -> Any:
    with connect(database_url, autocommit=True) as connection:
        yield Lists(connection, tmp_path)


# From github.md, section 6: class, now, until the end of 2025.
_CORES = (4, 8, 16, 32, 64, 96)
_BY_CORES = {
    "linux_{}_core": (".012 .022 .042 .082 .162 .252", ".016 .032 .064 .128 .256 .384"),
    "windows_{}_core": (".022 .042 .082 .162 .322 .552", ".032 .064 .128 .256 .512 .768"),
    "linux_{}_core_arm": (".008 .014 .026 .050 .098", ".01 .02 .04 .08 .16"),
    "windows_{}_core_arm": (".014 .026 .050 .098 .194", ".02 .04 .08 .16 .32"),
}
LARGER = {
    name.format(cores): (now, before)
    for name, (nows, befores) in _BY_CORES.items()
    for cores, now, before in zip(_CORES, nows.split(), befores.split(), strict=False)
} | {
    "macos_large": (".077", ".12"),
    "macos_xlarge": (".102", ".16"),
    "linux_4_core_gpu": (".052", ".07"),
    "windows_4_core_gpu": (".102", ".14"),
}
STANDARD = {
    "linux_slim": (".002", ".002"),
    "linux": (".006", ".008"),
    "linux_2_core_arm": (".005", ".005"),
    "windows": (".010", ".016"),
    "windows_2_core_arm": (".008", ".010"),
    "macos": (".062", ".080"),
}


def test_the_shipped_prices_are_those_that_github_lists(lists: Lists) -> None:
    lists.load()
    expected = {("self_hosted", date(1970, 1, 1)): (Decimal(0), False)}
    for classes, is_standard in ((STANDARD, True), (LARGER, False)):
        for name, (now, before) in classes.items():
            expected[name, date(1970, 1, 1)] = (Decimal(before), is_standard)
            expected[name, date(2026, 1, 1)] = (Decimal(now), is_standard)
    found = {
        (row["runner_class"], row["valid_from"]): (row["usd_per_minute"], row["is_standard"])
        for row in loaded_rows(lists.connection, PRICES)
    }
    assert found == expected


@pytest.mark.parametrize(
    ("label", "runner_class"),
    [
        ("ubuntu-latest", "linux"),
        ("ubuntu-26.04", "linux"),
        ("ubuntu-slim", "linux_slim"),
        ("ubuntu-24.04-arm", "linux_2_core_arm"),
        ("ubuntu-24.04-8-cores", "linux_8_core"),
        ("ubuntu-22.04-16core-arm64", "linux_16_core_arm"),
        ("windows-latest", "windows"),
        ("windows-2025", "windows"),
        ("windows-11-arm", "windows_2_core_arm"),
        ("windows-2022-96-cores", "windows_96_core"),
        ("macos-latest", "macos"),
        ("macos-15", "macos"),
        ("macos-15-intel", "macos"),
        ("macos-14-large", "macos_large"),
        ("macos-latest-xlarge", "macos_xlarge"),
        ("self-hosted", "self_hosted"),
        ("my-scale-set", None),
        ("my-ubuntu-latest", None),
    ],
)
def test_the_shipped_patterns_know_githubs_labels(
    lists: Lists, label: str, runner_class: str | None
) -> None:
    lists.load()
    found = lists.rows(
        """
        select runner_class from raw.runner_labels
        where %s ~ label_pattern order by position limit 1
        """,
        label,
    )
    assert found == ([{"runner_class": runner_class}] if runner_class else [])


def test_every_shipped_class_has_a_price(lists: Lists) -> None:
    lists.load()
    classes = {row["runner_class"] for row in loaded_rows(lists.connection, LABELS)}
    assert classes <= {row["runner_class"] for row in loaded_rows(lists.connection, PRICES)}


def test_what_did_not_change_is_no_load(lists: Lists) -> None:
    prices, labels = lists.load()
    assert prices.added > 50
    assert labels.added > 20
    [load_id] = lists.loads()
    assert lists.load() == (NOTHING, NOTHING)
    assert lists.loads() == [load_id]


def test_the_operators_lines_add_to_the_shipped_ones_and_override_them(lists: Lists) -> None:
    lists.load()
    [shipped] = lists.loads()
    lists.prices(
        "linux,2026-01-01,0.0055,true",  # a discount
        "",
        "big_gpu, 2026-03-01, 0.5, FALSE",
    )
    lists.labels("^gpu-,big_gpu", "^ubuntu-slim$,linux")
    assert lists.load() == (Changes(1, 1, 0), Changes(1, 1, 0))
    [own] = set(lists.loads()) - {shipped}
    changed = lists.rows(
        """
        select runner_class, valid_from, usd_per_minute, is_standard, source, is_removed
        from raw.runner_prices where load_id = %s order by runner_class
        """,
        own,
    )
    assert [tuple(row.values()) for row in changed] == [
        ("big_gpu", date(2026, 3, 1), Decimal("0.5"), False, "operator", False),
        ("linux", date(2026, 1, 1), Decimal("0.0055"), True, "operator", False),
    ]
    first = lists.rows("select * from raw.runner_labels order by position limit 3")
    assert [(row["label_pattern"], row["runner_class"], row["source"]) for row in first] == [
        ("^gpu-", "big_gpu", "operator"),
        ("^ubuntu-slim$", "linux", "operator"),
        ("^self-hosted$", "self_hosted", "shipped"),
    ]
    # Nothing else was written.
    assert {row["load_id"] for row in lists.rows("select load_id from raw.runner_labels")} == {
        shipped,
        own,
    }
    assert len(lists.rows("select from raw.runner_labels where load_id = %s", own)) == 2


def test_what_leaves_the_lists_stays_removed_and_comes_back(lists: Lists) -> None:
    lists.prices("big_gpu,2026-03-01,0.5,false", "linux,2026-01-01,1,true")
    lists.load()
    lists.prices()
    assert lists.load() == (Changes(0, 1, 1), NOTHING)
    newest = lists.loads()[-1]
    rows = lists.rows(
        "select runner_class, usd_per_minute, is_removed from raw.runner_prices where load_id = %s "
        "order by 1",
        newest,
    )
    assert [tuple(row.values()) for row in rows] == [
        ("big_gpu", Decimal("0.5"), True),
        ("linux", Decimal("0.006"), False),
    ]
    assert "big_gpu" not in {r["runner_class"] for r in loaded_rows(lists.connection, PRICES)}
    assert lists.load() == (NOTHING, NOTHING)
    lists.prices("big_gpu,2026-03-01,0.5,false")
    assert lists.load() == (Changes(1, 0, 0), NOTHING)
    assert "big_gpu" in {r["runner_class"] for r in loaded_rows(lists.connection, PRICES)}


def test_every_bad_line_gets_a_sentence_and_nothing_is_loaded(lists: Lists) -> None:
    lists.prices(
        "Linux,2026-01-01,0.008,true",
        "linux,1 March,0.008,true",
        "linux,2026-02-30,0.008,true",
        "linux,2026-03-01,-1,true",
        "linux,2026-03-01,1e3,true",
        "linux,2026-03-01,NaN,true",
        "linux,2026-03-01,0.0000001,true",
        "linux,2026-03-01,1000000,true",
        "linux,2026-03-01,0.008,yes",
        "linux,2026-03-01,0.008",
        "linux,2026-03-01,0.008,true",
        "linux,2026-03-01,0.009,true",
        "unknown,2026-03-01,0.009,true",
    )
    lists.labels("^gpu-(,big_gpu", "^GPU-\\S+$,big_gpu", ",big_gpu", "^a$,a", "^a$,b", "^b$,B")
    assert [line.replace("such as ", "") for line in lists.refused()] == [
        "runner_prices.csv, line 2: runner_class is lower-case letters, digits and underscores, "
        "linux_4_core, not 'Linux'",
        "runner_prices.csv, line 3: valid_from is a day as YYYY-MM-DD, not '1 March'",
        "runner_prices.csv, line 4: valid_from is a day as YYYY-MM-DD, not '2026-02-30'",
        *(
            f"runner_prices.csv, line {line}: usd_per_minute is a number from 0 with at most 6 "
            f"decimals, 0.008, not {text!r}"
            for line, text in enumerate(("-1", "1e3", "NaN", "0.0000001", "1000000"), start=5)
        ),
        "runner_prices.csv, line 10: is_standard is true or false, not 'yes'",
        f"runner_prices.csv, line 11: it has 3 fields, not the 4 of {PRICE_HEADER}",
        "runner_prices.csv, line 13: line 12 has the same runner_class and valid_from already: "
        "keep one of the two",
        "runner_prices.csv, line 14: runner_class is lower-case letters, digits and underscores, "
        "linux_4_core, not 'unknown'",
        "runner_labels.csv, line 2: label_pattern is a regular expression of PostgreSQL's, "
        "^my-runner$, not '^gpu-(' (parentheses () not balanced)",
        "runner_labels.csv, line 3: labels are compared in lower case: write '^gpu-\\\\S+$', not "
        "'^GPU-\\\\S+$'",
        "runner_labels.csv, line 4: label_pattern has 1 to 200 characters",
        "runner_labels.csv, line 6: line 5 has the same label_pattern already: keep one of the two",
        "runner_labels.csv, line 7: runner_class is lower-case letters, digits and underscores, "
        "linux_4_core, not 'B'",
    ]
    assert lists.rows("select from raw.runner_prices") == []
    assert lists.rows("select from raw.runner_labels") == []
    assert lists.loads() == []


def test_a_file_that_is_no_list_gets_a_sentence(lists: Lists) -> None:
    lists.prices("linux;2026-01-01;0.008;true", header=PRICE_HEADER.replace(",", ";"))
    lists.folder.joinpath("runner_labels.csv").write_bytes(b"label_pattern,runner_class\n\xff,a\n")
    assert lists.refused() == [
        f"runner_prices.csv, line 1: the first line is {PRICE_HEADER}",
        "runner_labels.csv: it is no text in UTF-8: save it as such",
    ]
    lists.prices("")
    lists.labels('"^a$,a')
    assert [re.sub("CSV: .*", "CSV", line) for line in lists.refused()] == [
        "runner_labels.csv, line 2: it is no CSV"
    ]
    lists.folder.joinpath("runner_labels.csv").unlink()
    lists.folder.joinpath("runner_labels.csv").mkdir()
    assert lists.refused() == ["runner_labels.csv: Is a directory"]


def test_a_file_as_spreadsheets_save_it_is_read(lists: Lists) -> None:
    text = f'\ufeff{PRICE_HEADER}\r\n"linux",2027-01-01,0.005,TRUE\r\n'
    lists.folder.joinpath("runner_prices.csv").write_text(text, encoding="utf-8", newline="")
    lists.load()
    [row] = lists.rows("select usd_per_minute from raw.runner_prices where source = 'operator'")
    assert row == {"usd_per_minute": Decimal("0.005")}


def test_loads_at_once_wait_for_each_other(lists: Lists, database_url: str) -> None:
    def load_once(_: int) -> dict[str, Changes]:
        with connect(database_url) as connection:
            return load(connection, lists.folder)

    with ThreadPoolExecutor(4) as threads:
        changes = list(threads.map(load_once, range(4)))
    assert sum(any(each.values()) for each in changes) == 1
    assert len(lists.loads()) == 1


def test_a_load_that_is_rolled_back_owes_nothing(lists: Lists, database_url: str) -> None:
    with connect(database_url) as connection, connection.transaction(force_rollback=True):
        load(connection, lists.folder)
    assert lists.loads() == []
    assert lists.rows("select from raw.runner_prices") == []
