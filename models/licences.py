"""What a model's licence lets its user do, as a checklist. A reading aid: the text of the licence decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Answer = Literal["yes", "no", "conditions", "unknown"]

# Field of the checklist -> how it is shown. For the first three "yes" is freedom, for the others a duty or a limit.
ITEMS = {
    "commercial_use": "commercial use allowed",
    "modification": "modification allowed",
    "redistribution": "redistribution allowed",
    "attribution": "attribution required",
    "output_limits": "limits on outputs",
    "acceptable_use": "acceptable-use policy",
    "user_limit": "limit on number of users",
}
_STRICTER: dict[str, tuple[Answer, ...]] = {
    name: ("yes", "conditions", "unknown", "no") if position < 3 else ("no", "conditions", "unknown", "yes")
    for position, name in enumerate(ITEMS)
}


@dataclass(frozen=True, slots=True)
class Checklist:
    """One licence in plain words.

    Attributes:
        explanation, explanation_ru: one line each.
    """

    id: str
    name: str
    url: str
    explanation: str
    explanation_ru: str
    commercial_use: Answer = "unknown"
    modification: Answer = "unknown"
    redistribution: Answer = "unknown"
    attribution: Answer = "unknown"
    output_limits: Answer = "unknown"
    acceptable_use: Answer = "unknown"
    user_limit: Answer = "unknown"

    @property
    def free_to_use(self) -> bool:
        """Nobody has to read on before using it, for whatever purpose: what may be recommended unasked comes first."""
        return self.commercial_use == "yes" and self.acceptable_use == "no" and self.output_limits == "no"

    def answers(self) -> list[tuple[str, Answer]]:
        """The items in order, with their words."""
        return [(words, getattr(self, name)) for name, words in ITEMS.items()]


def _llama(version: str, url: str) -> Checklist:
    """Meta's licences of different versions ask for the same."""
    return Checklist(
        f"LicenseRef-Llama-{version}-Community",
        f"Llama {version} Community License",
        url,
        "Commercial use below 700 million monthly users; show “Built with Llama”, follow the use policy; models "
        "trained on its outputs carry Llama in their name.",
        "Коммерческое использование до 700 млн пользователей в месяц; надпись «Built with Llama», правила "
        "допустимого использования; модели, обученные на ответах, носят имя Llama.",
        "yes",
        "yes",
        "conditions",
        "yes",
        "conditions",
        "yes",
        "yes",
    )


_KNOWN = {
    known.id: known
    for known in (
        Checklist(
            "Apache-2.0",
            "Apache License 2.0",
            "https://www.apache.org/licenses/LICENSE-2.0",
            "Free for any use; pass on the licence and notices, and say what you changed.",
            "Свободна для любых целей; передавайте дальше лицензию и уведомления, отмечайте изменения.",
            "yes",
            "yes",
            "yes",
            "yes",
            "no",
            "no",
            "no",
        ),
        Checklist(
            "MIT",
            "MIT License",
            "https://opensource.org/license/mit",
            "Free for any use; pass on the copyright line and the licence.",
            "Свободна для любых целей; передавайте дальше строку об авторских правах и текст лицензии.",
            "yes",
            "yes",
            "yes",
            "yes",
            "no",
            "no",
            "no",
        ),
        Checklist(
            "LicenseRef-Qwen-Research",
            "Qwen Research License Agreement",
            "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE",
            "Research and evaluation only: commercial use needs a licence from the makers.",
            "Только исследования и оценка: для коммерческого использования нужно разрешение авторов.",
            "no",
            "yes",
            "conditions",
            "yes",
            "conditions",
            "no",
            "no",
        ),
        _llama("3.1", "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct/blob/main/LICENSE"),
        _llama("3.2", "https://huggingface.co/meta-llama/Llama-3.2-3B-Instruct/blob/main/LICENSE.txt"),
        Checklist(
            "LicenseRef-Gemma",
            "Gemma Terms of Use",
            "https://ai.google.dev/gemma/terms",
            "Commercial use within the prohibited-use policy; pass the terms on to whoever gets the model or a service "
            "with it; models trained on its outputs count as derivatives.",
            "Коммерческое использование в рамках политики запрещённого использования; условия передаются всем, кто "
            "получает модель или сервис; модели, обученные на её ответах, считаются производными.",
            "yes",
            "yes",
            "conditions",
            "yes",
            "conditions",
            "yes",
            "no",
        ),
        Checklist(
            "LicenseRef-YandexGPT-5-Lite-8B",
            "YandexGPT-5-Lite-8B License",
            "https://huggingface.co/yandex/YandexGPT-5-Lite-8B-instruct/blob/main/LICENSE",
            "Free for research; commercial use up to 10 million output tokens a month, beyond that by agreement.",
            "Свободна для исследований; коммерчески — до 10 млн токенов ответа в месяц, дальше по соглашению.",
            "conditions",
            "yes",
            "conditions",
            "yes",
            "conditions",
            "unknown",
            "no",
        ),
    )
}


def known() -> list[str]:
    """The ids of every licence that has a checklist."""
    return list(_KNOWN)


def checklist(licence: str | None, url: str | None = None) -> Checklist:
    """The checklist of an SPDX id; of several joined by AND, the strictest answer to each item.

    A licence that is not known gets “unknown” everywhere, and its address to read.

    Args:
        url: where this model's own copy is, if it differs.
    """
    parts = [part.strip() for part in (licence or "").split(" AND ") if part.strip()]
    # GGUF files write SPDX ids in small letters.
    by_lower = {name.lower(): found for name, found in _KNOWN.items()}
    found = [by_lower.get(part.lower()) or _unknown(part, url) for part in parts] or [_unknown("none stated", url)]
    combined = found[0] if len(found) == 1 else _combined(licence or "", found)
    return replace(combined, url=url) if url else combined


def _unknown(licence: str, url: str | None) -> Checklist:
    where = f"read {url}" if url else "read it at its source"
    where_ru = f"прочтите {url}" if url else "прочтите её у источника"
    return Checklist(licence, licence, url or "", f"Unknown licence: {where}.", f"Неизвестная лицензия: {where_ru}.")


def _combined(licence: str, parts: list[Checklist]) -> Checklist:
    strictest = {
        name: max((getattr(part, name) for part in parts), key=order.index) for name, order in _STRICTER.items()
    }
    return Checklist(
        id=licence,
        name=" and ".join(part.name for part in parts),
        url=parts[-1].url,
        explanation=" And: ".join(part.explanation for part in parts),
        explanation_ru=" И: ".join(part.explanation_ru for part in parts),
        **strictest,
    )
