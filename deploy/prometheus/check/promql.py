"""Which metrics a PromQL expression reads, and which labels it asks of each. No parser: strings and the parts that
hold labels are taken out, and what is left and is no function, keyword or number is a metric."""

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}


def metrics(expression):
    """The names of the series that it reads."""
    text = _STRING.sub('""', expression)
    text = _GROUPING.sub(" ", text)
    text = re.sub(r"\{[^}]*\}", " ", text)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    found = set()
    for match in _NAME.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        if re.search(r"[0-9.]$", before) or after.lstrip().startswith("("):
            continue
        if match.group().lower() not in _KEYWORDS:
            found.add(match.group())
    return found


def labels(expression):
    """Pairs of a metric and a label by which it is selected."""
    text = _STRING.sub('""', expression)
    for match in _SELECTOR.finditer(text):
        name, inside = match.groups()
        for label in re.findall(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)", inside):
            yield name, label


def groupings(expression):
    """The labels by which it groups or joins."""
    for _, inside in _GROUPING.findall(_STRING.sub('""', expression)):
        yield from filter(None, (label.strip() for label in inside.split(",")))
