"""Labelled cases drawn from attributes: a supplement to the cases by hand. `python -m so8t.training.generated --help`.

attributes.py  what decides a case, and how it looks
labels.py      attributes -> label: the policy's questions, in their order
possible.py    which attributes an action can show
draw.py        draws attributes; changes one of them for a minimal pair
actions.py     what tools do (lexicon/*.toml), and what they do it to
case.py        attributes + action -> a case in the form of gate/cases.py
"""
