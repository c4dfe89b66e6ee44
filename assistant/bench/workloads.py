"""The six kinds of answers that speed is measured on, as data.

They differ in how much of the answer can be foreseen: a corrected text is nearly its original, a chat is not.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from assistant.engine.engine import Constraint, Message
from assistant.engine.structured import instruction


@dataclass(frozen=True, slots=True)
class Workload:
    """A question, perhaps with a document before it, and perhaps with a form that the answer must have.

    Attributes:
        length: of the answer, where others have 1: a copy needs all of it, as its gain comes with time.
    """

    name: str
    question: str
    document: str = ""
    constraint: Constraint | None = None
    length: int = 1

    def messages(self, share: float = 1.0) -> list[Message]:
        """The prompt as `assistant ask` writes it, with this share of the document's sentences."""
        sentences = re.findall(r"[^.!?]+[.!?]*\s*", self.document)
        document = "".join(sentences[: math.ceil(share * len(sentences))]).strip()
        shown = instruction(self.constraint) if self.constraint else ""
        return [Message("user", "\n\n".join(filter(None, (document, self.question, shown))))]


_HARBOUR = """\
The harbour of Lindesund was never meant to be large. In the first plans, drawn by a surveyor who had come to count \
herring barrels, there is one pier of timber, a shed for salt, and a road that ends at a stone wall. The wall is \
still there. Everything else has been built, burnt, widened or moved at least twice, and the town council now has to \
decide whether to do it once more.

The question came up in a wet spring, when the ferry could not land on eleven days within one month. The company that \
runs it sent a polite letter. Its new vessel is nine metres longer than the old one, turns more slowly, and needs \
half a metre more water under the keel. If the eastern basin is not dredged within three years, the letter said, the \
line will call at the next port down the coast and carry the people of Lindesund home by bus. Nobody in the town \
believed that this was a threat, and nobody believed that it was not.

Dredging sounds simple, and the first estimate made it look cheap. A barge with an excavator would lift forty \
thousand cubic metres of silt and carry them out to a hollow in the sea bed. Then samples were taken. The upper layer \
turned out to be clean, but below it lies what the old shipyard left behind: copper paint, tar, and fragments of lead \
from keels that were cast on the beach. Silt like that may not be dumped at sea. It must be dried, mixed with cement \
and buried under a lining on land, and the price of a cubic metre becomes six times as high. The engineer who \
explained this to the council brought a jar of the mud with her. It was passed from hand to hand, and by the end of \
the evening the whole hall smelled of it.

Three proposals are now on the table. The first is to dredge the eastern basin completely, pay for the treatment, and \
use the hardened material to raise the quay by seventy centimetres. That would solve two problems at once, because \
the quay has been flooded in four of the last ten winters, and the warehouses behind it can no longer be insured. It \
is the most expensive plan by far. The regional fund would pay forty percent, the state perhaps a quarter, and the \
rest would be a loan that the town would carry for twenty-five years. The treasurer has worked out that every \
household would pay as much as a week's groceries a year. He said that he did not want to be quoted on whether this \
is much.

The second proposal leaves the old basin alone. A new pier would be built outside, on steel piles, where the water is \
deep enough without any dredging. It would cost about half as much as the first plan, and it could be ready in two \
years. But a pier in the open needs a breakwater, the breakwater would change how the sand moves along the beach, and \
the beach is what visitors come for. A model in a laboratory tank suggested that the northern end would lose between \
two and five metres of its width in ten years, while the bathing place in the south would grow. The owners of the two \
camping grounds, who lie at opposite ends of the beach and have not spoken to each other since a dispute about a \
hedge, have for once submitted a letter together. They ask for a longer study.

The third proposal is the smallest. Its authors are the fishermen, of whom there are nine, and the sailing club. They \
want to dredge only a channel of thirty metres through the clean upper layer, mark it with lit buoys, and ask the \
ferry to come at high water. The timetable would then follow the moon, as it did in the days of their grandparents. \
This costs almost nothing. The ferry company has answered that a timetable which shifts by fifty minutes a day cannot \
be explained to anyone who has to catch a train, and that it would look for another port all the same, only later. \
The fishermen replied that trains could learn it too.

Behind the numbers there is a disagreement about what the town is for. Half of those who work in Lindesund drive or \
sail there from elsewhere, and half of those who live there work somewhere else. The school has lost a third of its \
pupils since the cannery closed. A report by the university, which the council ordered and then found too gloomy to \
print, says that a place of this size keeps its doctor, its pharmacy and its bakery only as long as at least nine \
hundred people stay through the winter. At present there are nine hundred and sixty. Without the ferry, the report \
expects eight hundred within ten years. With it, the number might hold, provided that houses are not all sold as \
summer cottages, which is a matter for another evening.

There have been four public meetings. At the first one the hall was full and people talked about money. At the \
second, after the jar of mud, they talked about health. Two women whose fathers had worked at the shipyard asked why \
nobody had measured the gardens above the slipway, where the same paint was scraped from hulls for fifty years. The \
council promised to have that done, and it is the only decision so far that was unanimous. At the third meeting a \
retired captain showed with matchboxes how the new vessel would have to turn in a westerly wind, and convinced nearly \
everyone that the outer pier would be closed just as often as the old basin is today. The engineer checked his \
figures and found them right up to wind force seven, and too pessimistic above. At the fourth meeting only thirty \
people came, and most of them wanted it to be over.

In the meantime the town has begun to help itself. The harbour master lets the old ferry's mooring to a boat that \
carries goods from the islands, the sailing club has paid for two of the buoys, and a class of the school has hung a \
gauge on the pier and writes the level of the water on a board beside the bakery each morning. After six weeks their \
figures differ from the official table by up to twenty centimetres, always on the same side, and a letter to the \
hydrographic office has been answered with thanks and an invitation.

The council will vote in the second week of June. It can choose one of the three plans, or it can ask for the longer \
study, which takes fourteen months and costs as much as a new roof for the school. The mayor has said in public that \
she prefers the first plan, if the state confirms its quarter in writing before the vote; if it does not, she would \
rather wait than build the pier. Two members of her own party support the pier. The opposition supports the \
fishermen, mostly because it would like to see the mayor lose. The ferry company has been asked whether it would wait \
until the study is done. It has not answered yet, but it has asked for the depth of the channel at low water, \
measured by its own surveyor, who is expected on Thursday and will, as everybody in the town has noticed, arrive by \
bus.
"""

_LETTER = """\
Dear neighbours,

as most of you will have herd, the water in our street is going to be turned of on tuesday from eight in the morning \
untill about four in the afternoon. The pipes under the pavment are more than sixty years old, and the company has \
found three leeks since january. They do not want to wait for a forth one.

Please fill a few bottels and a bucket the evening before, so that you have enough to drink and can flush the \
toilett. The washing machine and the dish washer should stay of for the whole day, becuase the first water that comes \
back is usually brown and full of air. Let the cold tap in the bathroom run for five minutes befor you use anything \
else. If it is still cloudy after a quarter of a hour, call the number on the card that you find in you're letter \
box.

Mr Hansen from number twelve has kindly offerd to carry water upstairs for every one who can not do it themself. The \
bakery on the corner will be closed, but the cafe opposite the school gets it's water from another street.

There is one thing more. The workers has to break up the pavement on the left side, so their will be no parking \
between the church and the bridge from monday evening on. Cars that are still standing there on Tuesday morning will \
be towed away, and that costs a hundred and forty euro, wich nobody of us wants to pay. The yard behind the library \
is free for us during this two days.

If you have questions, ring my bell or right me a message. I am at home every day accept Sunday, and I will let you \
know imediately if the company changes there plans again.

Many greetings
Ruth, number seven
"""

_INCIDENT = """\
On the evening of 14 March a cyclist, Marta Olsen, 34, of 8 Brook Lane, was hit by a delivery van at the corner of \
Station Road and Mill Street. The van, a white Rekord Transit with the number KL 4471, was driven by Piet van Dam, \
52, who works for Northern Parcels. He said that the low sun had blinded him. Mrs Olsen broke her left wrist and was \
taken to St Anne's hospital; her bicycle, worth about 900 euros, is beyond repair. Two people saw the accident: Jonas \
Berg, who was waiting for the bus, and Alina Petrova, 19, a student. Officer Lund wrote the report at 18:40 and asks \
the insurance company to answer within 21 days.
"""

_REPORT = {
    "type": "object",
    "properties": {
        "date": {"type": "string", "maxLength": 40},
        "place": {"type": "string", "maxLength": 80},
        "people": {
            "type": "array",
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 40},
                    "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 120},
                    "role": {"type": "string", "enum": ["injured", "driver", "witness", "police"]},
                    "injury": {"type": ["string", "null"], "maxLength": 60},
                },
                "required": ["name", "age", "role", "injury"],
                "additionalProperties": False,
            },
        },
        "vehicle": {
            "type": "object",
            "properties": {
                "make": {"type": "string", "maxLength": 40},
                "colour": {"type": "string", "maxLength": 20},
                "number": {"type": "string", "maxLength": 20},
            },
            "required": ["make", "colour", "number"],
            "additionalProperties": False,
        },
        "damage_in_euros": {"type": "number", "minimum": 0},
        "answer_within_days": {"type": "integer", "minimum": 0, "maximum": 365},
    },
    "required": ["date", "place", "people", "vehicle", "damage_in_euros", "answer_within_days"],
    "additionalProperties": False,
}

WORKLOADS = (
    Workload(
        "chat",
        "I would like to begin running, but I have not done any sport for years and I sit all day. How should I start, "
        "what should I buy, and how do I keep it up when the first enthusiasm is gone? Answer in a few paragraphs.",
    ),
    Workload(
        "code",
        "Write a Python class LRUCache with get, put and delete, a maximum size and an optional time to live for each "
        "entry. Use type hints and docstrings, raise clear errors for bad arguments, and add unit tests with pytest.",
    ),
    Workload("summary", "Summarize this report for someone who has two minutes. Give all three proposals.", _HARBOUR),
    Workload(
        "proofreading",
        "Correct the spelling and grammar of this letter. Change nothing else, and print only the corrected letter.",
        _LETTER,
        length=4,
    ),
    Workload(
        "extraction",
        "Extract the facts of this police report as JSON.",
        _INCIDENT,
        Constraint("json_schema", json.dumps(_REPORT)),
    ),
    Workload(
        "Russian chat",
        "Я хочу вырастить помидоры и зелень на балконе, который выходит на восток. С чего начать весной, какие сорта "
        "выбрать, как часто поливать и какие ошибки чаще всего делают новички? Расскажи подробно.",
    ),
)
