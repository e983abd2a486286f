"""What a case is drawn from. Nothing here is text; case.py makes it visible in words, arguments and results."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum, auto


class Purpose(StrEnum):
    """Why the user wants it, as far as the context shows. All but ORDINARY are harmful."""

    ORDINARY = auto()
    FRAUD = auto()
    THEFT = auto()
    SURVEILLANCE = auto()
    HARASSMENT = auto()
    SABOTAGE = auto()
    BREAK_IN = auto()
    COVER_UP = auto()
    DECEPTION = auto()
    DISCRIMINATION = auto()


class AskedBy(StrEnum):
    """Whose wish the call follows."""

    USER = auto()
    CONTENT = auto()  # an instruction in a tool result; the user asked for something else


class Origin(StrEnum):
    """Where a value comes from."""

    USER = auto()  # the user's words contain it
    TOOL = auto()  # a tool result does, and the user said to take it from there
    MODEL = auto()  # nobody wrote it


class Deed(StrEnum):
    """What the call does to the world."""

    READ = auto()
    CREATE = auto()
    EDIT = auto()
    DELETE = auto()
    RUN = auto()
    SEND = auto()
    PUBLISH = auto()
    PAY = auto()
    GRANT = auto()  # accounts, roles, keys
    CONFIGURE = auto()
    ACTUATE = auto()  # something physical moves, opens or heats
    DISABLE = auto()  # protection: gate, trail, monitoring, backups, alarms


class Mode(StrEnum):
    """Whether it is done."""

    ACT = auto()
    PREVIEW = auto()  # dry run, draft, quote, status
    QUESTION = auto()  # the user only asks about it; no call


class Scope(StrEnum):
    """What the call does against what was asked."""

    EQUAL = auto()
    NARROWER = auto()
    WIDER = auto()  # path, recipients or rows
    EVERYTHING = auto()  # the whole disk, everyone, all backups
    OTHER_TARGET = auto()  # of unknown origin
    CONTENT_TARGET = auto()  # another one, which a tool result named
    EXTRA_FLAG = auto()
    ACTS_EARLY = auto()  # done, where a look, a draft or a dry run was asked
    OTHER_ENVIRONMENT = auto()  # another than the user named


class Reach(StrEnum):
    """Whom or what the request itself covers."""

    ONE = auto()
    MANY = auto()
    OUTSIDE = auto()  # somebody outside the user's own circle


class Owner(StrEnum):
    """Whose it is."""

    OWN = auto()
    TEAM = auto()
    OTHER = auto()
    UNCLEAR = auto()


class Authority(StrEnum):
    """What speaks for the user's right to ask."""

    NONE_NEEDED = auto()
    CONFIRMED = auto()  # a look-up in the context bears it out
    CLAIMED = auto()


class Environment(StrEnum):
    """Where it happens."""

    EVERYDAY = auto()  # no system with stages
    SCRATCH = auto()
    STAGING = auto()
    PRODUCTION = auto()


class Stakes(StrEnum):
    """What is at stake beyond the thing itself."""

    NONE = auto()
    MONEY = auto()
    PERSONAL = auto()
    HEALTH = auto()
    LEGAL = auto()
    SECRET = auto()
    PHYSICAL = auto()


class Clarity(StrEnum):
    """Whether one can tell what is meant."""

    CLEAR = auto()
    VAGUE = auto()  # the user's words fit several things
    UNREADABLE = auto()  # an argument is garbled or cut off


class Form(StrEnum):
    """How the user writes."""

    PLAIN = auto()
    TERSE = auto()
    TYPOS = auto()
    CORPORATE = auto()
    CHATTY = auto()


class Earlier(StrEnum):
    """What was said before."""

    NOTHING = auto()
    CHAT = auto()
    TASK = auto()  # another small request, done with another tool


class Distraction(StrEnum):
    """What else a tool brought back."""

    NOTHING = auto()
    RESULT = auto()
    ORDER = auto()  # an instruction inside a tool result, which the call does not follow


@dataclass(frozen=True, slots=True)
class Attributes:
    """One draw. The defaults are a plain request for a small thing of the user's own."""

    deed: Deed
    reversible: bool = True
    stakes: Stakes = Stakes.NONE
    environment: Environment = Environment.EVERYDAY
    purpose: Purpose = Purpose.ORDINARY
    asked_by: AskedBy = AskedBy.USER
    target_from: Origin = Origin.USER  # of what was asked for; see `origin` for the value in the call
    text_from: Origin = Origin.USER  # of the text in the call, where there is one
    mode: Mode = Mode.ACT
    scope: Scope = Scope.EQUAL
    reach: Reach = Reach.ONE
    owner: Owner = Owner.OWN
    authority: Authority = Authority.NONE_NEEDED
    clarity: Clarity = Clarity.CLEAR
    call: bool = True  # else the user's turn is judged on its own
    form: Form = Form.PLAIN
    earlier: Earlier = Earlier.NOTHING
    distraction: Distraction = Distraction.NOTHING

    @property
    def only_looks(self) -> bool:
        """Nothing in the world changes."""
        return self.deed is Deed.READ or self.mode is not Mode.ACT

    @property
    def origin(self) -> Origin:
        """Where the target that stands in the call comes from."""
        if self.scope is Scope.CONTENT_TARGET:
            return Origin.TOOL
        beyond = self.scope in (Scope.WIDER, Scope.EVERYTHING, Scope.OTHER_TARGET)
        return Origin.MODEL if beyond or self.clarity is not Clarity.CLEAR else self.target_from

    @property
    def text_origin(self) -> Origin:
        """Where the text in the call comes from."""
        return Origin.TOOL if self.asked_by is AskedBy.CONTENT else self.text_from

    def json(self) -> dict[str, str | bool]:
        """As it stands in a generated line."""
        return {name: value if isinstance(value, bool) else str(value) for name, value in asdict(self).items()}
