"""How much energy a day needs, and a goal for it: the equation of Mifflin and St Jeor, and plain arithmetic.

Sources:
    resting energy: Mifflin MD, St Jeor ST, Hill LA, Scott BJ, Daugherty SA, Koh YO. A new predictive equation for
        resting energy expenditure in healthy individuals. Am J Clin Nutr 1990; 51: 241–247 (19 to 78 years of age).
    activity factors: the five steps that are usual with it, a convention of the field rather than a measurement. They
        lie within the physical activity levels of FAO/WHO/UNU, Human energy requirements (2004): 1.2 to 2.4.
    deficit, least intake: NHLBI, Clinical guidelines on overweight and obesity in adults (1998): 500 kcal a day less;
        diets of at least 1200 kcal for women and 1500 kcal for men unless a doctor watches over them.
    energy of nutrients: Atwater's 4, 9 and 4 kcal/g; the split lies within the ranges of IOM, Dietary Reference Intakes
        (2005): protein 10–35 %, fat 20–35 %, carbohydrate 45–65 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.domains.calories.messages import Words
from models.errors import UsageError

Sex = Literal["female", "male"]
Activity = Literal["sedentary", "light", "moderate", "high", "very-high"]
Aim = Literal["lose", "keep", "gain"]

ACTIVITY: dict[Activity, float] = {"sedentary": 1.2, "light": 1.375, "moderate": 1.55, "high": 1.725, "very-high": 1.9}
AIMS: dict[Aim, int] = {"lose": -500, "keep": 0, "gain": 300}  # kcal a day
LEAST: dict[Sex, int] = {"female": 1200, "male": 1500}  # kcal a day
MOST = 6000  # kcal a day: beyond it, a slip of the finger is likelier
SPLIT = {"protein_g": (0.20, 4), "fat_g": (0.30, 9), "carbohydrate_g": (0.50, 4)}  # share of the energy, kcal/g
ADULT, OLDEST, STUDIED = 18, 120, 78  # years; STUDIED: the oldest of the equation's study
HEIGHTS, WEIGHTS = (100.0, 250.0), (30.0, 350.0)  # cm, kg
THIN = 18.5  # kg/m²: body mass index below which WHO speaks of underweight


@dataclass(frozen=True, slots=True)
class Profile:
    """An adult. ``height`` in cm, ``weight`` in kg."""

    sex: Sex
    age: int
    height: float
    weight: float
    activity: Activity
    aim: Aim

    @property
    def resting(self) -> float:
        """Resting energy expenditure by Mifflin–St Jeor, kcal a day."""
        return 10 * self.weight + 6.25 * self.height - 5 * self.age + (5 if self.sex == "male" else -161)

    @property
    def expenditure(self) -> float:
        """With the factor of the activity, kcal a day."""
        return self.resting * ACTIVITY[self.activity]

    @property
    def mass_index(self) -> float:
        """kg/m²."""
        return self.weight / (self.height / 100) ** 2


@dataclass(frozen=True, slots=True)
class Goal:
    """Of one day. ``profile`` is what it was worked out from; None: the user named it."""

    kcal: int
    protein_g: int
    fat_g: int
    carbohydrate_g: int
    profile: Profile | None = None

    @classmethod
    def of(cls, kcal: float, profile: Profile | None = None) -> Goal:
        kcal = round(kcal)
        shares = {name: round(kcal * share / energy) for name, (share, energy) in SPLIT.items()}
        return cls(kcal, **shares, profile=profile)


def check(profile: Profile, say: Words) -> None:
    """
    Raises:
        UsageError: the equation is not for such a person, nobody is like that, or the aim would do harm.
    """
    if not 0 <= profile.age <= OLDEST:
        raise UsageError(say("no_such_age", age=profile.age), say("check_profile"))
    if profile.age < ADULT:
        raise UsageError(say("a_child", adult=ADULT), say("ask_doctor"))
    for name, value, (low, high) in (("height", profile.height, HEIGHTS), ("weight", profile.weight, WEIGHTS)):
        if not low <= value <= high:
            values = {"value": say.number(value, 1), "low": say.number(low), "high": say.number(high)}
            raise UsageError(say(f"no_such_{name}", **values), say("check_profile"))
    if profile.aim == "lose" and profile.mass_index < THIN:
        raise UsageError(
            say("too_thin", index=say.number(profile.mass_index, 1), thin=say.number(THIN, 1)), say("ask_doctor")
        )


def from_profile(profile: Profile, say: Words) -> Goal:
    """
    Raises:
        UsageError: as :func:`check`.
    """
    check(profile, say)
    return Goal.of(max(_aimed_at(profile), LEAST[profile.sex]), profile)


def from_number(kcal: float, profile: Profile | None, say: Words) -> Goal:
    """A goal that the user names.

    Raises:
        UsageError: it is below what is safe, or nobody eats so much.
    """
    least = LEAST[profile.sex] if profile else min(LEAST.values())
    if not kcal >= least:  # NaN too
        raise UsageError(say("goal_too_low", kcal=say.number(kcal), least=say.number(least)), say("ask_doctor"))
    if kcal > MOST:
        raise UsageError(say("goal_too_high", kcal=say.number(kcal), most=say.number(MOST)), say("check_number"))
    return Goal.of(kcal)


def described(goal: Goal, say: Words) -> str:
    """The numbers and what they rest on."""
    numbers = {name.removesuffix("_g"): say.number(getattr(goal, name)) for name in ("kcal", *SPLIT)}
    return f"{say('goal_is', **numbers)} {_basis(goal.profile, say) if goal.profile else say('goal_yours')}"


def _basis(profile: Profile, say: Words) -> str:
    change, least = AIMS[profile.aim], LEAST[profile.sex]
    note = say(
        "goal_note",
        resting=say.number(profile.resting),
        factor=say.number(ACTIVITY[profile.activity], 3).rstrip("0"),
        expenditure=say.number(profile.expenditure),
        aim=say("goal_aim", kcal="+" * (change > 0) + say.number(change)) if change else "",
    )
    if _aimed_at(profile) < least:
        note += " " + say("raised", kcal=say.number(_aimed_at(profile)), least=say.number(least))
        if least >= profile.expenditure and profile.aim == "lose":
            note += " " + say("no_room")
    if profile.age > STUDIED:
        note += " " + say("beyond_study", age=STUDIED)
    return note


def _aimed_at(profile: Profile) -> float:
    """To tens of kcal: more would pretend to an accuracy that nobody has."""
    return round(profile.expenditure + AIMS[profile.aim], -1)
