"""The docs are true: what they list is what there is."""

import re

import pytest
from click import Group

from actionsight.cli.main import main
from actionsight.settings import ROOT, SETTINGS
from benchmarks.scaling import tables

pytestmark = pytest.mark.unit


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_operators_guide_lists_every_setting_and_no_other() -> None:
    rows = set(re.findall(r"^\| `(ACTIONSIGHT_\w+)` \|", read("docs/operators.md"), re.MULTILINE))
    assert rows == {setting.name for setting in SETTINGS}


def test_the_operators_guide_lists_every_command() -> None:
    guide = read("docs/operators.md")
    for name, command in main.commands.items():
        subcommands = r"\|".join(command.commands) if isinstance(command, Group) else ""
        assert f"actionsight {name}{' ' + subcommands if subcommands else ''}" in guide, name


def test_the_operators_guide_is_in_the_order_of_an_operators_life() -> None:
    chapters = re.findall(r"^## (.+)$", read("docs/operators.md"), re.MULTILINE)
    life = [
        "Install",
        "The first hour",
        "Every day",
        "Upgrade",
        "Restore",
        "Rotate",
        "Move",
        "Remove",
    ]
    assert chapters == [*life, "Reference"]


def test_what_installations_of_all_sizes_take_is_computed() -> None:
    assert [table for table in tables() if table not in read("docs/scaling.md")] == []


def test_every_command_has_help() -> None:
    for name, command in main.commands.items():
        assert command.help, name


def test_the_map_of_triggers_has_every_trigger_and_no_other() -> None:
    triggers = read("actionsight/migrations/sql/triggers.sql")
    map_of_triggers = read("docs/contributors.md").partition("## The map of triggers")[2]
    rows = re.findall(r"^\| (`\w+`[^|]*) \|", map_of_triggers.partition("\n## ")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(re.findall(r"create or replace trigger (\w+)", triggers))


def test_every_word_of_the_glossary_is_used_where_it_says() -> None:
    glossary = read("docs/contributors.md").partition("## Glossary")[2].partition("\n## ")[0]
    terms = re.findall(r"^\| ([a-z -]+) \| .+ \| `([\w./]+)` \|$", glossary, re.MULTILINE)
    assert len(terms) == glossary.count("\n| ") - 1, "every row is read, but the heading"
    assert [term for term, _ in terms] == sorted(term for term, _ in terms)
    for term, place in terms:
        path = ROOT / place
        assert path.exists(), term
        files = [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.md")]
        used = re.compile(re.sub(r"[ -]", r"[\\s_-]?", term), re.IGNORECASE)
        assert any(used.search(place + file.read_text()) for file in files), term


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    for document in documents:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_picture_is_shown_and_small() -> None:
    shown = set(re.findall(r"src(?:set)?=\"([^\"]+)\"", read("README.md")))
    taken = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "pictures").iterdir()}
    assert shown == taken
    assert all((ROOT / path).stat().st_size <= 150_000 for path in taken)


def test_the_readme_begins_with_the_two_commands() -> None:
    head = read("README.md").split("## How")[0]
    assert "make up" in head
    assert "make test" in head
