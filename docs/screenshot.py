"""Take the picture of the README: a real question to a real model, drawn at 100×30.

python docs/screenshot.py [-m MODEL] [-q QUESTION] [FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path

from assistant.chat.history import History
from assistant.engine.engine import GenerateOptions
from assistant.engine.worker import WorkerEngine
from assistant.tui.app import ChatApp
from assistant.tui.setup import Setup
from models.store import Store

SIZE = (100, 30)
QUESTION = (
    "How do I read a CSV file in Python and sum one column? Show a short example, then say in two points how it works."
)


async def take(model: str, question: str, file: Path) -> None:
    """Ask in a chat that is not saved, wait for the answer, save the screen as SVG."""
    store = Store()
    setup = Setup(
        store=store,
        history=History.in_memory(),
        start_engine=lambda installed: WorkerEngine(installed.path),
        generate_options=lambda _: GenerateOptions(temperature=0, seed=1),
        model=store.resolve(model),
    )
    app = ChatApp(setup)
    async with app.run_test(size=SIZE) as pilot:
        app.chat.prompt.write(question)
        await pilot.press("enter")
        await pilot.pause(1)
        while app.chat.session.busy:
            await pilot.pause(0.5)
        app.chat.show_status()
        await pilot.pause(0.5)
        # The picture should load nothing from anywhere: any monospaced font of the reader's will do.
        picture = re.sub(r"@font-face\s*{.*?}", "", app.export_screenshot(title="assistant"), flags=re.DOTALL)
        file.write_text(picture.replace("Fira Code,", ""), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("chat.svg"))
    parser.add_argument("-m", "--model", default="starter")
    parser.add_argument("-q", "--question", default=QUESTION)
    given = parser.parse_args()
    asyncio.run(take(given.model, given.question, given.file))
    print(given.file)


if __name__ == "__main__":
    main()
