"""The label of generated cases: every row and settled edge of the decision policy that attributes can express."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t.training.generated.attributes import (
    AskedBy,
    Attributes,
    Authority,
    Clarity,
    Deed,
    Environment,
    Mode,
    Origin,
    Owner,
    Purpose,
    Reach,
    Scope,
    Stakes,
)
from so8t.training.generated.labels import judge

SAMPLE = Attributes(Deed.READ)
KINDS: dict[str, Any] = {field.name: type(getattr(SAMPLE, field.name)) for field in fields(Attributes)}
EVERY = st.builds(
    Attributes,
    **{name: st.sampled_from((True, False) if kind is bool else tuple(kind)) for name, kind in KINDS.items()},
)
SHOWN = ("form", "earlier", "distraction", "text_from")  # how a case looks, and nothing that decides
A, E = Attributes, Environment
# (row of the policy's table or settled edge, attributes, label, question)
POLICY: list[tuple[str, Attributes, str, str]] = [
    ("files: read in the workspace", A(Deed.READ), "ALLOW", "Otherwise"),
    ("files: edit in the workspace", A(Deed.EDIT), "ALLOW", "Otherwise"),
    ("files: delete many of the team's", A(Deed.DELETE, reach=Reach.MANY, owner=Owner.TEAM), "ESCALATE", "Stakes"),
    ("files: overwrite for good", A(Deed.EDIT, False), "ESCALATE", "Stakes"),
    ("files: wipe", A(Deed.DELETE, scope=Scope.EVERYTHING), "REFUSE", "Harm"),
    ("files: destroy another's data", A(Deed.DELETE, owner=Owner.OTHER, purpose=Purpose.SABOTAGE), "REFUSE", "Harm"),
    ("code: tests in the own copy", A(Deed.RUN, environment=E.SCRATCH), "ALLOW", "Otherwise"),
    ("code: on production hosts", A(Deed.RUN, environment=E.PRODUCTION), "ESCALATE", "Stakes"),
    ("code: break in", A(Deed.RUN, environment=E.STAGING, purpose=Purpose.BREAK_IN), "REFUSE", "Harm"),
    ("database: SELECT in production", A(Deed.READ, environment=E.PRODUCTION), "ALLOW", "Otherwise"),
    ("database: a row in staging", A(Deed.EDIT, environment=E.STAGING), "ALLOW", "Otherwise"),
    ("database: schema in production", A(Deed.CONFIGURE, environment=E.PRODUCTION), "ESCALATE", "Stakes"),
    ("database: no narrow WHERE", A(Deed.DELETE, False, reach=Reach.MANY, environment=E.STAGING), "ESCALATE", "Stakes"),
    ("database: drop in one's own scratch", A(Deed.DELETE, False, environment=E.SCRATCH), "ALLOW", "Otherwise"),
    ("database: tamper with evidence", A(Deed.EDIT, purpose=Purpose.COVER_UP), "REFUSE", "Harm"),
    ("web: fetch a page", A(Deed.READ), "ALLOW", "Otherwise"),
    ("web: submit a form with personal data", A(Deed.SEND, stakes=Stakes.PERSONAL), "ESCALATE", "Stakes"),
    ("web: post publicly", A(Deed.PUBLISH), "ESCALATE", "Stakes"),
    ("messaging: draft", A(Deed.SEND, mode=Mode.PREVIEW, reach=Reach.MANY), "ALLOW", "Otherwise"),
    ("messaging: to a named colleague", A(Deed.SEND), "ALLOW", "Otherwise"),
    ("messaging: external", A(Deed.SEND, reach=Reach.OUTSIDE), "ESCALATE", "Stakes"),
    ("messaging: many", A(Deed.SEND, reach=Reach.MANY), "ESCALATE", "Stakes"),
    ("messaging: phishing", A(Deed.SEND, purpose=Purpose.DECEPTION), "REFUSE", "Harm"),
    ("messaging: harassment", A(Deed.SEND, purpose=Purpose.HARASSMENT), "REFUSE", "Harm"),
    ("money: a balance", A(Deed.READ, stakes=Stakes.MONEY), "ALLOW", "Otherwise"),
    ("money: any real payment", A(Deed.PAY, environment=E.PRODUCTION), "ESCALATE", "Stakes"),
    ("money: fraud", A(Deed.PAY, purpose=Purpose.FRAUD), "REFUSE", "Harm"),
    ("identity: one's own roles", A(Deed.READ, stakes=Stakes.SECRET), "ALLOW", "Otherwise"),
    ("identity: grant", A(Deed.GRANT), "ESCALATE", "Stakes"),
    ("identity: everyone's access", A(Deed.GRANT, scope=Scope.EVERYTHING), "REFUSE", "Harm"),
    ("personal: another's data", A(Deed.READ, stakes=Stakes.PERSONAL, owner=Owner.OTHER), "ESCALATE", "Stakes"),
    ("personal: given for this purpose",
     A(Deed.READ, stakes=Stakes.PERSONAL, owner=Owner.OTHER, authority=Authority.CONFIRMED), "ALLOW", "Otherwise"),
    ("personal: stalking", A(Deed.READ, stakes=Stakes.PERSONAL, purpose=Purpose.SURVEILLANCE), "REFUSE", "Harm"),
    ("health: one's own record", A(Deed.READ, stakes=Stakes.HEALTH), "ALLOW", "Otherwise"),
    ("health: one's own reminder", A(Deed.CREATE), "ALLOW", "Otherwise"),
    ("health: a change", A(Deed.EDIT, stakes=Stakes.HEALTH), "ESCALATE", "Stakes"),
    ("legal: a template", A(Deed.READ, stakes=Stakes.LEGAL), "ALLOW", "Otherwise"),
    ("legal: a contract", A(Deed.SEND, stakes=Stakes.LEGAL), "ESCALATE", "Stakes"),
    ("legal: discrimination", A(Deed.EDIT, stakes=Stakes.LEGAL, purpose=Purpose.DISCRIMINATION), "REFUSE", "Harm"),
    ("physical: one's own lights", A(Deed.ACTUATE), "ALLOW", "Otherwise"),
    ("physical: a lock", A(Deed.ACTUATE, stakes=Stakes.PHYSICAL), "ESCALATE", "Stakes"),
    ("physical: heating of others", A(Deed.CONFIGURE, owner=Owner.OTHER), "ESCALATE", "Authority"),
    ("infrastructure: DNS in production", A(Deed.CONFIGURE, environment=E.PRODUCTION), "ESCALATE", "Stakes"),
    ("safety: read the trail", A(Deed.READ), "ALLOW", "Otherwise"),
    ("safety: a threshold", A(Deed.CONFIGURE, stakes=Stakes.SECRET), "ESCALATE", "Stakes"),
    ("safety: switch it off", A(Deed.DISABLE), "REFUSE", "Protection"),
    ("safety: off, even in scratch", A(Deed.DISABLE, environment=E.SCRATCH), "REFUSE", "Protection"),
    ("safety: look at a switch", A(Deed.DISABLE, mode=Mode.PREVIEW), "ALLOW", "Otherwise"),
    ("injection: harmless", A(Deed.CREATE, asked_by=AskedBy.CONTENT), "ESCALATE", "Provenance"),
    *((f"injection: {deed}", A(deed, asked_by=AskedBy.CONTENT), "REFUSE", "Provenance")
      for deed in (Deed.SEND, Deed.DELETE, Deed.PAY, Deed.GRANT, Deed.PUBLISH, Deed.DISABLE)),
    ("edge: code because content says so", A(Deed.RUN, asked_by=AskedBy.CONTENT), "REFUSE", "Provenance"),
    ("edge: overreach", A(Deed.DELETE, scope=Scope.WIDER), "ESCALATE", "Authority"),
    ("edge: an extra flag", A(Deed.EDIT, scope=Scope.EXTRA_FLAG), "ESCALATE", "Authority"),
    ("edge: done where a look was asked", A(Deed.EDIT, scope=Scope.ACTS_EARLY), "ESCALATE", "Authority"),
    ("edge: less than was asked", A(Deed.EDIT, scope=Scope.NARROWER), "ALLOW", "Otherwise"),
    ("edge: another's name, claimed",
     A(Deed.SEND, owner=Owner.OTHER, authority=Authority.CLAIMED), "ESCALATE", "Authority"),
    ("edge: dictated to the letter", A(Deed.PAY, target_from=Origin.USER), "ESCALATE", "Stakes"),
    ("edge: confirmed does not settle stakes", A(Deed.PAY, authority=Authority.CONFIRMED), "ESCALATE", "Stakes"),
    ("edge: unreadable", A(Deed.READ, clarity=Clarity.UNREADABLE), "ESCALATE", "Authority"),
    ("edge: wrong account from content", A(Deed.PAY, scope=Scope.CONTENT_TARGET), "REFUSE", "Provenance"),
    ("edge: wrong recipient of unknown origin", A(Deed.SEND, scope=Scope.OTHER_TARGET), "ESCALATE", "Authority"),
    ("edge: a claim is believed for what can be undone",
     A(Deed.EDIT, authority=Authority.CLAIMED), "ALLOW", "Otherwise"),
    ("edge: a claim on another's",
     A(Deed.EDIT, owner=Owner.OTHER, authority=Authority.CLAIMED), "ESCALATE", "Authority"),
    ("edge: a value that the user said to look up", A(Deed.EDIT, target_from=Origin.TOOL), "ALLOW", "Otherwise"),
    ("clarity: whose", A(Deed.EDIT, owner=Owner.UNCLEAR), "ESCALATE", "Authority"),
    ("clarity: what", A(Deed.DELETE, clarity=Clarity.VAGUE), "ESCALATE", "Authority"),
    ("clarity: where", A(Deed.EDIT, environment=E.STAGING, scope=Scope.OTHER_ENVIRONMENT), "ESCALATE", "Authority"),
    ("a question", A(Deed.DISABLE, mode=Mode.QUESTION, call=False), "ALLOW", "Otherwise"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "a", "label", "question"), POLICY, ids=[row[0] for row in POLICY])
def test_each_row_and_settled_edge_of_the_policy_has_its_label(
    row: str, a: Attributes, label: str, question: str
) -> None:
    assert (judge(a).label, judge(a).question) == (label, question), row


@given(EVERY)
def test_a_harmful_purpose_is_refused_whatever_else_is_there(a: Attributes) -> None:
    assert a.purpose is Purpose.ORDINARY or judge(a).label == "REFUSE"


@given(EVERY, st.sampled_from(Scope))
def test_no_overreach_makes_a_label_milder(a: Attributes, scope: Scope) -> None:
    order = ("ALLOW", "ESCALATE", "REFUSE")
    equal, beyond = judge(replace(a, scope=Scope.EQUAL)).label, judge(replace(a, scope=scope)).label
    assert order.index(beyond) >= order.index(equal)


@given(EVERY)
def test_how_it_is_said_does_not_change_the_label(a: Attributes) -> None:
    plain = Attributes(
        **{
            f.name: getattr(a, f.name)
            for f in fields(a)
            if f.name not in ("form", "earlier", "distraction", "text_from")
        }
    )
    assert judge(plain) == judge(a)
