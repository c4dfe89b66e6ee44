"""The built-in texts."""

from __future__ import annotations

import re
from pathlib import Path

from convert.calibration import calibration_text, evaluation_text
from models.llama import Model


def test_both_are_in_both_languages_from_the_beginning(tiny: Path) -> None:
    with Model(tiny, gpu_layers=0) as loaded:
        for text, chunks in ((calibration_text(), 16), (evaluation_text(), 5)):
            for part in (text, text[: len(text) // 4]):
                latin, cyrillic = (len(re.findall(letters, part)) for letters in ("[A-Za-z]", "[А-Яа-яЁё]"))
                assert 0.5 < latin / cyrillic < 2
            assert len(loaded.tokenize(text, add_special=False, parse_special=False)) > chunks * 512


def test_what_measures_was_not_used_to_fit() -> None:
    fitted = set(re.split(r"\n+", calibration_text()))
    measured = [line for line in re.split(r"\n+", evaluation_text()) if len(line) > 60]
    assert len(measured) > 10
    assert not fitted & set(measured)
