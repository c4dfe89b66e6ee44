"""What summarizing costs beside the engine's own work, a second summary of the same text, and a run that was killed.

    python benchmarks/bench_summarize.py [--model starter] [--words 20000] [--length 300] [--rounds 1]
        [--second-words 4000] [--book] [--book-words 100000] [--text FILE] [--only cost|second|book] [--no-publish]

1. A long document: wall time against tokens in / prefill speed + tokens out / decode speed. Tokens in are those that
   the engine computed, tokens out those that it wrote, in all calls; its speeds are measured in the same process before
   and after, with a prompt of the calls' usual size. Told beside it: the same with the document's own tokens and the
   summary's alone; and the peak memory against that of the engine alone.
2. A document that fits the window is summarized twice, with two focuses (words of it), each by an engine that was just
   loaded, as a command does it: tokens computed again, and the time.
3. ``--book``: a child process is killed when it has read 60 % of a book, and another resumes: tokens of finished calls
   that are computed again, and spans and coverage of what comes out.

The text is the Debian Administrator's Handbook (Raphaël Hertzog and Roland Mas, GPL-2+ or CC BY-SA 3.0,
https://debian-handbook.info), from the Debian package ``debian-handbook``, which ``apt-get download`` fetches if it is
not installed; elsewhere give another with ``--text``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from report import RESULTS, Row, compare, markdown, publish, write_readme
from summarizing import OPTIONS, Asked, Watched, summary_of

from assistant.engine.calls import completing, returned
from assistant.engine.counting import TokenCounter
from assistant.engine.engine import LoadOptions, Message
from assistant.engine.local import LocalEngine
from assistant.memory.documents import load
from assistant.memory.stemming import STOP_WORDS
from assistant.tasks.finished import Finished
from assistant.tasks.sources import Source, source_of
from assistant.tasks.summarizing import SummaryOptions
from models.paths import models_dir
from models.store import Store

PACKAGE = "debian-handbook"
INSTALLED = Path("/usr/share/doc/debian-handbook/html/en-US")
_NAVIGATION = re.compile(
    r"^(?:Download the ebook|Product Site Documentation Site|- (?:Prev|Next|Up|Home))\n+", re.MULTILINE
)
KILLED_AT = 0.6
DECODED = 48  # tokens for the decode speed


def handbook() -> str:
    """The book's text, chapters in their order."""
    if INSTALLED.is_dir():
        return _chapters(INSTALLED)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["apt-get", "-o", "APT::Sandbox::User=root", "download", PACKAGE],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), folder], check=True)
        return _chapters(Path(folder, *INSTALLED.parts[1:]))


def _chapters(folder: Path) -> str:
    """By the order of the links in the table of contents, without it."""
    contents = (folder / "index.html").read_text(encoding="utf-8")
    names = dict.fromkeys(re.findall(r'href="([\w.-]+\.html)', contents))
    pages = [load(folder / name).text for name in names if name != "index.html" and (folder / name).exists()]
    return _NAVIGATION.sub("", "\n\n".join(pages))


def cut(text: str, words: int, *, skip: int = 0) -> str:
    """So many words from the word ``skip`` on, to the end of a paragraph if one is near."""
    places = [match.start() for match in re.finditer(r"\S+", text)]
    if len(places) <= words:
        return text
    begin = places[skip]
    end = places[min(skip + words, len(places) - 1)]
    border = text.rfind("\n\n", begin, end)
    return text[begin : border if border > begin + (end - begin) * 0.95 else end]


def common_words(text: str, number: int = 2) -> list[str]:
    """Those that stand there most often and mean something: the text surely says something on them."""
    words = re.findall(r"[^\W\d_]{6,}", text.casefold())
    return [word for word, _ in Counter(word for word in words if word not in STOP_WORDS).most_common(number)]


def speeds(engine: LocalEngine, text: str, tokens: int) -> tuple[float, float]:
    """Tokens a second of prefill, with a prompt of about so many tokens, and of decoding after it."""
    share = min(1.0, tokens / TokenCounter(engine).text(text))
    start = text.find(" ", int(len(text) * (1 - share) * 0.5))  # from within: nothing of it is in the KV cache
    messages = [
        Message("user", f"{time.time()} {text[start : start + int(len(text) * share)]}\n\nGo on with this text.")
    ]
    result = returned(completing(engine, messages, replace(OPTIONS, max_tokens=DECODED, keep_state=False), _go_on))
    times = result.timings
    return times.prefill_tokens / times.prefill_seconds, times.decode_tokens / times.decode_seconds


def peak_memory() -> float:
    """Of this process, so far, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024 / 1e6


def cost(path: Path, text: str, words: int, length: int, rounds: int) -> list[Row]:
    """Wall time of a summary against the engine's own speeds."""
    source = source_of(cut(text, words), "book")
    took, due, due_strict, before_mb, after_mb = [], [], [], [], []
    for _ in range(rounds):
        engine = LocalEngine(path, LoadOptions(prompt_cache=False, drafting=False))
        engine.load()
        size = TokenCounter(engine).text(source.text)
        speeds(engine, text, 300)  # the first call allocates
        watched = Watched(engine)
        rough = speeds(engine, text, 2000)
        before_mb.append(peak_memory())
        started = time.perf_counter()
        summary = summary_of(watched, source, SummaryOptions(words=length), path.name)
        took.append(time.perf_counter() - started)
        after_mb.append(peak_memory())
        usual = int(statistics.median(call.tokens for call in watched.calls))
        rates = [speeds(engine, text, usual), speeds(engine, text, usual)]
        prefill, decode = (statistics.mean(rate[which] for rate in rates) for which in (0, 1))
        tokens_in = sum(call.prefill_tokens for call in watched.calls)
        tokens_out = sum(call.decode_tokens for call in watched.calls)
        due.append(tokens_in / prefill + tokens_out / decode)
        written = TokenCounter(engine).text(summary.summary)
        due_strict.append(size / prefill + written / decode)
        print(
            f"{len(watched.calls)} calls of {usual} tokens: {tokens_in} in at {prefill:.0f}/s ({rough[0]:.0f} before), "
            f"{tokens_out} out at {decode:.1f}/s; the text has {size}, the summary {written}; {took[-1]:.0f} s, of it "
            f"in the engine {sum(call.prefill_seconds + call.decode_seconds for call in watched.calls):.0f} s; "
            f"coverage {summary.coverage:.2f}",
            flush=True,
        )
        engine.close()
    name = f"{len(source.text.split()):,} words"
    return [
        compare(f"{name}: wall time / tokens in and out at the engine's speeds", took, due, "s", "<= 1.10"),
        compare(f"{name}: wall time / the same of the text and the summary alone", took, due_strict, "s", ""),
        compare(f"{name}: peak memory / the engine's alone", after_mb, before_mb, "MB", ""),
    ]


def second(path: Path, text: str, words: int, rounds: int) -> list[Row]:
    """The second summary of a text that fits the window, with another focus."""
    computed, first_computed, times, first_times = [], [], [], []
    for number in range(rounds):
        source = source_of(cut(text, words, skip=number * words), "chapter")
        focuses = common_words(source.text)
        for focus, tokens, seconds in zip(focuses, (first_computed, computed), (first_times, times), strict=True):
            engine = LocalEngine(path, LoadOptions(drafting=False))
            engine.load()
            watched = Watched(engine)
            started = time.perf_counter()
            summary_of(watched, source, SummaryOptions(words=80, focus=focus), path.name)
            seconds.append(time.perf_counter() - started)
            tokens.append(float(sum(call.prefill_tokens for call in watched.calls)))
            print(
                f"focus {focus!r}: {[call.prefill_tokens for call in watched.calls]}, {seconds[-1]:.1f} s", flush=True
            )
            engine.close()
    name = f"second summary of {len(source.text.split()):,} words with another focus"
    return [
        compare(f"{name}: tokens computed / by the first", computed, first_computed, "tokens", "<= 0.2"),
        compare(f"{name}: time / of the first", times, first_times, "s", ""),
    ]


def book(path: Path, text: str, words: int, length: int) -> list[Row]:
    """A run that was killed, and one that goes on with it; both in child processes that log each call of the engine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "book.md")
        file.write_text(cut(text, words), encoding="utf-8")
        engine = LocalEngine(path, LoadOptions(prompt_cache=False, drafting=False))
        engine.load()
        size = TokenCounter(engine).text(file.read_text(encoding="utf-8"))
        engine.close()
        command = [sys.executable, __file__, "--child", str(file), "--model", str(path), "--length", str(length)]
        child = subprocess.Popen(command)
        log = file.with_suffix(".1")
        while child.poll() is None and sum(call.tokens for call in _logged(log)) < KILLED_AT * size:
            time.sleep(0.5)
        assert child.poll() is None, "it had finished before it was killed"
        child.send_signal(signal.SIGKILL)
        child.wait()
        done = _logged(log)
        subprocess.run([*command, "--resume"], check=True)
        resumed = _logged(file.with_suffix(".2"))
        known = {call.digest for call in done}
        again = sum(call.tokens for call in resumed if call.digest in known)
        summary = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    tokens = sum(call.tokens for call in done)
    spans = [bool(point["spans"]) for point in summary["points"]]
    name = f"{len(cut(text, words).split()):,} words, killed at {tokens / size:.0%} and resumed"
    note = f"{len(done)} calls before, {len(resumed)} after, {len(summary['unsupported'])} unsupported in the end"
    share = again / tokens
    return [
        Row(f"{name}: tokens computed again", again, tokens, "tokens", share, "<= 0", not again, note),
        Row(f"{name}: read of the text", summary["coverage"], 1, "share", summary["coverage"], ">= 1",
            summary["coverage"] >= 1),
        Row(f"{name}: points with spans", sum(spans), len(spans), "points", sum(spans) / (len(spans) or 1), "", True),
    ]  # fmt: skip


def _child(file: Path, path: Path, length: int, *, resume: bool) -> None:
    """Summarize the book, logging each call that the engine has answered."""
    with file.with_suffix(".2" if resume else ".1").open("w", encoding="utf-8") as log, Finished.open() as finished:
        engine = LocalEngine(path, LoadOptions(prompt_cache=False, drafting=False))

        def note(asked: Asked) -> None:
            log.write(json.dumps(asdict(asked)) + "\n")
            log.flush()

        source: Source = source_of(file.read_text(encoding="utf-8"), "book")
        run = finished.run(source.digest, str(path), resume=resume)
        summary = summary_of(Watched(engine, note), source, SummaryOptions(words=length), path.name, run=run)
        file.with_suffix(".json").write_text(json.dumps(summary.to_json()), encoding="utf-8")
        engine.close()


def _logged(log: Path) -> list[Asked]:
    """Whole lines of the log; none where there is none yet."""
    with contextlib.suppress(FileNotFoundError):
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        return [Asked(**json.loads(line)) for line in lines if line.endswith("\n")]
    return []


def _go_on() -> None:
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--text", type=Path, help="instead of the handbook: a document of any format")
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--length", type=int, default=300, help="words of the summaries of 1. and 3.")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--second-words", type=int, default=4_000)
    parser.add_argument("--book", action="store_true", help="kill and resume, too: hours")
    parser.add_argument("--book-words", type=int, default=100_000)
    parser.add_argument("--only", choices=("cost", "second", "book"))
    parser.add_argument("--no-publish", action="store_true", help="write neither results nor README.md")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(arguments.child, Path(arguments.model), arguments.length, resume=arguments.resume)
        return
    path = Store().resolve(arguments.model).path
    text = load(arguments.text).text if arguments.text else handbook()
    chosen = [arguments.only] if arguments.only else ["cost", "second", *(["book"] if arguments.book else [])]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ASSISTANT_MODELS"], os.environ["ASSISTANT_DATA_DIR"] = str(models_dir()), folder
        for part in chosen:
            if part == "cost":
                rows = cost(path, text, arguments.words, arguments.length, arguments.rounds)
            elif part == "second":
                rows = second(path, text, arguments.second_words, arguments.rounds)
            else:
                rows = book(path, text, arguments.book_words, arguments.length)
            print("\n".join(markdown(rows)), flush=True)
            if not arguments.no_publish:
                publish(f"summarize_{part}", rows, notes=path.name)
    if not arguments.no_publish:
        write_readme("summarize", markdown(_published()))


def _published() -> list[Row]:
    """The rows of all parts, also of those that were measured in another run."""
    files = [RESULTS / f"summarize_{part}.json" for part in ("cost", "second", "book")]
    return [
        Row(**row) for file in files if file.exists() for row in json.loads(file.read_text(encoding="utf-8"))["rows"]
    ]


if __name__ == "__main__":
    main()
