"""Write goldens/e5_ids.json: texts, and their ids by the tokenizers library from the model's own tokenizer.json."""

from __future__ import annotations

import json
from pathlib import Path

from real_e5 import cached_e5
from tokenizers import Tokenizer

GOLDENS = Path(__file__).parent / "goldens" / "e5_ids.json"
TEXTS = [
    "How much does a train ticket cost?",
    "The quick brown fox jumps over the lazy dog.",
    "It's 3.14159, isn't it? (Yes!) “quoted” – dash — em…",
    "HTTP/2 404: /var/log/syslog#L10 user@example.org https://example.org/a?b=c&d=%20",
    "def f(x: int) -> list[str]:\n    return [str(i) for i in range(x)]  # comment",
    "snake_case camelCase kebab-case SCREAMING_CASE x+=1; y*=2",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "# Heading\n\n- item *one*\n- item **two**\n\n> quote `code`",
    "1,234,567.89 € 50% №7 §12 ±0.5 °C µm ½ ² ³",
    "ALL CAPS AND sMaLL lEttErS",
    "Сколько стоит билет на поезд до Санкт-Петербурга?",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ёлка, ёж и подъезд; объём — 5 м³.",
    "«Кавычки», тире – дефис-слово и многоточие…",
    "Гарантия не распространяется на повреждения от воды (п. 3.2.1).",
    "ПРИВЕТ Привет привет прИвЕт",
    "высокопревосходительство электрокардиография",
    "по-русски и in English вперемешку, как mixed текст",
    "Дата: 12.03.2024, 15:30; тел. +7 (495) 123-45-67",
    "и\u0306 е\u0308 й ё",
    "Київ, їжак, ґанок",
    "Қазақстан Республикасы",
    "私は猫です。名前はまだない。",
    "カタカナとﾊﾝｶｸ、ひらがな",
    "我今天想去图书馆借一本书。",
    "繁體中文與简体中文混排",
    "안녕하세요 세계",
    "한\u1112\u1161\u11ab 한",
    "สวัสดีชาวโลก",
    "नमस्ते दुनिया",
    "مرحبا بالعالم",
    "שָׁלוֹם עוֹלָם",
    "Ελληνικά γράμματα",
    "Tiếng Việt có dấu",
    "Straße, naïve café, Ærøskøbing, İstanbul",
    "cafe\u0301 caf\u00e9 ﬁnance ﬂow ﬃ",
    "ｆｕｌｌ ｗｉｄｔｈ １２３",
    "ℌ𝔢𝔩𝔩𝔬 𝓦𝓸𝓻𝓵𝓭 ①②③ Ⅷ ㎏",
    "😀 😃 👍🏽 👩‍🚀 🇷🇺 ❤️",
    "text😀text",
    "a\tb\nc\r\nd",
    "many     spaces   between",
    "   leading",
    "no\u00a0break\u2003em\u2009thin\u3000wide",
    "zero\u200bwidth\u200djoin\ufeffbom",
    "soft\u00adhyphen",
    "nul\u0000byte \u0007bell \u001besc",
    "\u202eright to left\u202c",
    "▁ metaspace ▁in▁text",
    "l\u0338ong z\u0351\u036b\u0343a\u0321\u034al\u0354g\u030ao",
    "\ue000 private \uffff \U000e0041",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "0000000000000000000000000000000000000000",
    "....................!!!!!!!!!!!!!!????????",
    "Pneumonoultramicroscopicsilicovolcanoconiosis",
    "x",
    "?",
    "я",
    "",
    "query: what is this",
    "passage: это отрывок",
    "query: ",
    "Длинный текст повторяется много раз. " * 30 + "Конец.",
    "A long text that goes on and on. " * 30 + "The end.",
]


if __name__ == "__main__":
    tokenizer = Tokenizer.from_file(str(cached_e5() / "tokenizer" / "tokenizer.json"))
    # The library keeps a space at the end of a text, which SentencePiece, and with it the model's makers, did not.
    rows = [{"text": text, "ids": tokenizer.encode(text.rstrip()).ids} for text in TEXTS]
    GOLDENS.parent.mkdir(exist_ok=True)
    GOLDENS.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
