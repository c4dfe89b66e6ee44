"""``assistant.tasks`` for Python: the examples of its documentation, and what goes wrong."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from assistant import tasks
from assistant.tasks import api
from assistant.tasks.opening import open_model
from models.errors import ModelError, UsageError

GUIDE = Path(__file__).parents[3] / "docs" / "scripting.md"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    tasks.close()


def test_the_examples_of_the_documentation(starter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "open_model", lambda name: open_model(name or str(starter)))
    found = doctest.testmod(api, extraglobs={"tasks": tasks}, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= 10
    assert found.failed == 0
    found = doctest.testfile(str(GUIDE), module_relative=False, encoding="utf-8")
    assert found.attempted == 2
    assert found.failed == 0


def test_records_keep_their_fields_and_their_order(tiny: Path) -> None:
    records = [{"text": f"Text {number}.", "id": number} for number in range(12)]
    records.insert(5, {"id": 99})
    values = {"labels": ["good", "bad"]}
    found = list(tasks.batch("classify", iter(records), values=values, model=str(tiny)))
    assert [one["id"] for one in found] == [record["id"] for record in records]
    assert {one["output"] for one in found} <= {"good", "bad", None}
    assert [one["id"] for one in found if "error" in one] == [99]


def test_a_file_is_read_in_its_format(tiny: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><body><p>What a lovely day.</p><script>no()</script></body></html>")
    found = [tasks.classify(text, ["good", "bad"], model=str(tiny)) for text in (page, "What a lovely day.")]
    assert found[0].prompt_tokens == found[1].prompt_tokens
    assert found[0].output == found[1].output


def test_spans_are_of_the_text_that_was_given(tiny: Path) -> None:
    text = "\ufeffTiny note:\r\n\x00the cafe\u0301 is shut."
    summary = tasks.summarize(text, model=str(tiny))
    assert [text[start:end] for point in summary.points for start, end in point.spans] == [text[1:]]


def test_a_model_stays_open(tiny: Path) -> None:
    with_name = tasks.classify("Hello.", ["good", "bad"], model=str(tiny))
    opened = open_model(str(tiny))
    assert tasks.classify("Hello.", ["good", "bad"], model=opened) == with_name
    assert opened.engine.load().parameters > 1e8  # it was loaded, and is the caller's to close
    opened.engine.close()


def test_what_goes_wrong_has_its_error(tiny: Path, tmp_path: Path) -> None:
    model = str(tiny)
    for text in ("", " \n", tmp_path, tmp_path / "none.txt"):
        with pytest.raises(UsageError):
            tasks.summarize(text, model=model)
    with pytest.raises(UsageError):
        tasks.classify("Hello.", ["only one"], model=model)
    with pytest.raises(UsageError):
        tasks.extract("Hello.", "{broken", model=model)
    with pytest.raises(UsageError):
        list(tasks.batch("no-such-template", ["Hello."], model=model))
    with pytest.raises(ModelError):
        tasks.translate("Hello.", model="no-such-model")
    assert not hasattr(tasks, "no_such_function")


def test_importing_a_room_does_not_import_the_house() -> None:
    script = "import sys, assistant.tasks.opening; sys.exit('assistant.tasks.api' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_editor_sees_names_and_types() -> None:
    assert set(tasks.__all__) <= set(dir(tasks))
    for package in ("assistant", "models"):
        assert files(package).joinpath("py.typed").is_file()
