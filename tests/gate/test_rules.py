from __future__ import annotations

import base64
from typing import Any

import pytest

from so8t.gate.contract import Call, Decision, Effect, Message, Proposal, Source, ToolSpec
from so8t.gate.rules import RuleExampleFailed, RuleInvalid, Rules


def rule(**fields: Any) -> dict[str, Any]:
    return {"name": "r", "decision": "refuse", "reason": "because", **fields}


def call(arguments: dict[str, Any], tool: str = "read_file", *effects: Effect) -> Proposal:
    return Proposal((), ToolSpec(tool, "", frozenset(effects)), Call.of(tool, arguments))


def hits(table: dict[str, Any], proposal: Proposal) -> bool:
    return bool(Rules.load([table]).judge(proposal))


def test_a_rule_that_matches_gives_its_decision_reason_and_name() -> None:
    table = rule(name="no-keys", tool="read_*", arguments={"path": {"glob": "*/.ssh/*"}}, decision="escalate")
    (finding,) = Rules.load([table]).judge(call({"path": "/home/me/.ssh/id_rsa"}))
    assert (finding.source, finding.decision) == (Source.POLICY, Decision.ESCALATE)
    assert (finding.reason, finding.rule) == ("because", "no-keys")


@pytest.mark.parametrize(
    ("matcher", "inside", "outside"),
    [
        ({"equals": "prod"}, "PROD", "production"),
        ({"equals": 5}, 5, 6),
        ({"equals": True}, True, False),
        ({"contains": "rm -rf"}, "sudo rm  -rf /", "rm notes.md"),
        ({"glob": "*.key"}, "a/b.key", "a/b.keys"),
        ({"regex": r"\bdrop\s+table\b"}, "DROP TABLE x", "droptables"),
        ({"longer_than": 5}, "123456", "12345"),
        ({"greater_than": 100}, "1,000", "99.5"),
        ({"greater_than": 100}, 100.5, 100),
        ({"greater_than": 100}, 101, "many"),
        ({"outside": ["*@example.com", "*@example.org"]}, "bob@evil.com", "Bob@example.org"),
        ({"outside": ["work/*"]}, "work/../etc/passwd", "work/notes.md"),
        ({"contains": "a", "longer_than": 3}, "aaaa", "bbbb"),
    ],
)
def test_a_matcher_hits_what_it_names_and_nothing_else(matcher: dict[str, Any], inside: Any, outside: Any) -> None:
    assert hits(rule(arguments={"x": matcher}), call({"x": inside}))
    assert not hits(rule(arguments={"x": matcher}), call({"x": outside}))


def test_a_rule_sees_only_the_tools_and_effects_that_it_names() -> None:
    table = rule(tool="send_*", effects=["send", "pay"])
    assert hits(table, call({}, "send_mail", Effect.SEND))
    assert not hits(table, call({}, "send_mail", Effect.READ))
    assert not hits(table, call({}, "read_mail", Effect.SEND))


def test_a_tool_with_undeclared_effects_may_have_any() -> None:
    assert hits(rule(effects=["pay"]), Proposal((), ToolSpec("t", "", None), Call.of("t", {})))
    assert hits(rule(effects=["pay"]), Proposal((), None, Call.of("t", {})))


def test_every_named_argument_must_match() -> None:
    table = rule(arguments={"a": {"equals": 1}, "b": {"equals": 2}})
    assert hits(table, call({"a": 1, "b": 2}))
    assert not hits(table, call({"a": 1, "b": 3}))
    assert not hits(table, call({"a": 1}))


@pytest.mark.parametrize(
    "hidden",
    [
        "/etc/PASSWD",
        "/etc/pass\u200bwd",
        "/etc/раsswd",  # Cyrillic р and а
        "/ｅｔｃ/ｐａｓｓｗｄ",
        "/etc/pass\U000e0041wd",
        "/etc/pas swd",
        base64.b64encode(b"cat /etc/passwd").decode(),
        base64.urlsafe_b64encode(base64.b64encode(b"cat /etc/passwd now")).decode(),
        b"cat /etc/passwd".hex(),
        "%2F%65%74%63%2F%70%61%73%73%77%64",
        "\\x2f\\x65\\x74\\x63\\x2f\\x70\\x61\\x73\\x73\\x77\\x64",
    ],
)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: ["ok", x], lambda x: {"deep": [{"er": x}]}, lambda x: {x: 1}])
def test_no_spelling_encoding_or_nesting_slips_by(hidden: str, wrap: Any) -> None:
    assert hits(rule(arguments={"x": {"contains": "/etc/passwd"}}), call({"x": wrap(hidden)}))


def test_a_payload_split_over_arguments_is_put_together() -> None:
    assert hits(rule(arguments={"*": {"contains": "rm -rf"}}), call({"a": "rm", "b": "-rf /"}))
    assert hits(rule(arguments={"args": {"contains": "rm -rf"}}), call({"args": ["rm", "-rf", "/"]}))


def test_an_argument_is_named_by_its_dotted_path_with_or_without_positions() -> None:
    for name in ("to", "to.0", "to.address", "to.0.address", "to.*", "*"):
        assert hits(rule(arguments={name: {"equals": "x@y.z"}}), call({"to": [{"address": "x@y.z"}]})), name
    assert not hits(rule(arguments={"cc": {"equals": "x@y.z"}}), call({"to": [{"address": "x@y.z"}]}))


def test_a_pattern_that_takes_too_long_counts_as_a_match() -> None:
    assert hits(rule(arguments={"x": {"regex": "(a|aa)+$"}}), call({"x": "a" * 60 + "b"}))


def test_user_turns_are_seen_by_rules_for_user_turns_only() -> None:
    turn = Proposal((Message("user", "please wipe the disk"),))
    assert hits(rule(tool="user_turn", arguments={"text": {"contains": "wipe the disk"}}), turn)
    assert not hits(rule(tool="user_turn", arguments={"text": {"contains": "format"}}), turn)
    assert not hits(rule(tool="*"), turn)


def test_examples_that_hold_let_the_rule_load() -> None:
    table = rule(
        tool="read_file",
        arguments={"path": {"glob": "*.key"}},
        match=[{"arguments": {"path": "a.key"}}],
        not_match=[{"arguments": {"path": "a.txt"}}, {"tool": "list_files", "arguments": {"path": "a.key"}}],
    )
    assert len(Rules.load([table]).rules) == 1


@pytest.mark.parametrize(("key", "path"), [("match", "a.txt"), ("not_match", "a.key")])
def test_an_example_that_does_not_hold_names_rule_and_example(key: str, path: str) -> None:
    table = rule(name="keys", arguments={"path": {"glob": "*.key"}}, **{key: [{"arguments": {"path": path}}]})
    with pytest.raises(RuleExampleFailed, match=rf"'keys' .* {key}\[1\].*{path}"):
        Rules.load([table])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"decision": "refus"}, "unknown decision 'refus': one of refuse, escalate"),
        ({"decision": "allow"}, "unknown decision 'allow'"),
        ({"effects": ["wirte"]}, "unknown effect 'wirte': one of write, "),
        ({"arguments": {"x": {"globb": "*"}}}, "unknown matcher 'globb': one of glob, "),
        ({"arguments": {"x": {}}}, "needs a condition"),
        ({"arguments": {"x": {"regex": "("}}}, "regular expression '\\(' is wrong"),
        ({"tols": "x"}, "unknown key of a rule 'tols': one of tool, "),
        ({"reason": ""}, "reason"),
        ({"match": [{"argument": {}}]}, "match"),
    ],
)
def test_a_rule_written_wrongly_is_an_error_that_says_what_is_valid(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(RuleInvalid, match=says) as error:
        Rules.load([rule(**wrong)])
    assert "'r'" in str(error.value)


def test_two_rules_with_one_name_are_an_error() -> None:
    with pytest.raises(RuleInvalid, match="two rules have the name 'r'"):
        Rules.load([rule(), rule()])


def test_the_digest_changes_with_any_rule_and_with_nothing_else() -> None:
    one = rule(arguments={"x": {"equals": 1}})
    assert Rules.load([one]).digest == Rules.load([dict(one)]).digest
    assert Rules.load([one]).digest != Rules.load([{**one, "reason": "other"}]).digest
    assert Rules.load([]).digest != Rules.load([one]).digest
