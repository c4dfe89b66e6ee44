"""Jupyter notebooks: cells of text as they are, cells of code fenced; outputs are left out."""

from __future__ import annotations

import json

from assistant.memory.loaders.extracted import Extracted, NoText


def cells_as_markdown(source: str) -> Extracted:
    """Markdown of a notebook's JSON.

    Raises:
        NoText: it is no notebook.
    """
    try:
        notebook = json.loads(source)
        language = str(notebook.get("metadata", {}).get("kernelspec", {}).get("language", ""))
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoText("is broken, or no notebook") from error
    blocks = (f"```{language}\n{text}\n```" if kind == "code" else text for kind, text in cells if text.strip())
    return Extracted("\n\n".join(blocks))
