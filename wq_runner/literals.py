"""What a text means that stands for a value: a literal of Python, of JSON or of YAML, or else the text."""

from __future__ import annotations

import ast
import datetime
import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# as PyYAML has them, so that a value means the same in a file and on the command line
_WORDS: Mapping[str, Any] = {
    **{word: True for one in ("true", "yes", "on") for word in (one, one.capitalize(), one.upper())},
    **{word: False for one in ("false", "no", "off") for word in (one, one.capitalize(), one.upper())},
    **dict.fromkeys(("null", "Null", "NULL", "~"), None),
}
_FLOAT = re.compile(r"[-+]?(\.?inf|\.?nan|infinity)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# each is a number to one reader, and something else to another
_AMBIGUOUS = (
    (re.compile(r"[-+]?0\d[\d_]*"), "octal to YAML, and no number to Python"),
    (re.compile(r"[-+]?\d+(:[0-5]?\d)+(\.\d*)?"), "a number of base 60 to YAML, and a text to others"),
    (re.compile(r"[-+]?[\d_]*\.?\d[jJ]"), "an imaginary number to Python, and a text to others"),
    (re.compile(r"[-+]?\d{1,3}(,\d{3})+"), "several numbers to Python, and one to people"),
)
_STANDARD = "tag:yaml.org,2002:"
_QUOTES = "'\""
_BRACKETS = {"[": "]", "{": "}", **{quote: quote for quote in _QUOTES}}


class Arguments(dict[str, Any]):
    """Keyword arguments that were written as text somewhere, by what the texts mean.

    `texts` has those that stand without quotes: a parameter that wants a text gets them as they are. Of those
    that could be several things, `doubts` says which; their value is the text.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        texts: Mapping[str, str] | None = None,
        doubts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(values)
        self.texts = dict(texts or {})
        self.doubts = dict(doubts or {})

    @classmethod
    def of(cls, name: str, text: str) -> Arguments:
        """Return one argument as ``name=text`` gives it."""
        text = text.strip()
        texts = {} if is_quoted(text) else {name: text}
        try:
            return cls({name: read(text)}, texts)
        except ValueError as error:
            return cls({name: text}, texts, {name: str(error)})

    def written(self) -> list[Any]:
        """Return them so that they are read as they were: ``name=text``, and a mapping of the others."""
        others = {name: value for name, value in self.items() if name not in self.texts}
        return [*(f"{name}={text}" for name, text in self.texts.items()), *([others] if others else [])]


def written(several: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return arguments for a file of options, which gives them again."""
    return [
        entry for one in several for entry in (one.written() if isinstance(one, Arguments) else [dict(one)])
    ]


def merged(several: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return all arguments together; what comes later counts. Those given in Python stay what they are."""
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for one in several:
        for name in one:
            texts.pop(name, None)
            doubts.pop(name, None)
        values |= one
        if isinstance(one, Arguments):
            texts |= one.texts
            doubts |= one.doubts
    if any(isinstance(one, Arguments) for one in several):
        return Arguments(values, texts, doubts)
    return values


def identity(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells arguments from others: values with types, and texts that say more."""
    texts = arguments.texts if isinstance(arguments, Arguments) else {}
    found = {}
    for name, value in arguments.items():
        shown, text = _canonical(value), texts.get(name)
        found[name] = shown if text is None or isinstance(value, str) or text == shown else f"{shown} {text}"
    return found


def _canonical(value: Any) -> str:
    match value:
        case dict():
            # in their order, which code may go by: the first cut, the first match
            pairs = (f"{_canonical(key)}: {_canonical(one)}" for key, one in value.items())
            return f"{{{', '.join(pairs)}}}"
        case set() | frozenset():
            return f"{type(value).__name__}({', '.join(sorted(map(_canonical, value)))})"
        case list() | tuple():
            return f"{type(value).__name__}({', '.join(map(_canonical, value))})"
        case _:
            return repr(value)


def read(text: str) -> Any:
    """Return what a text means: a literal is its value, everything else the text.

    Raises
    ------
    ValueError
        If it is several things, or begins and ends as a literal and is none.
    """
    text = text.strip()
    for pattern, what in _AMBIGUOUS:
        if pattern.fullmatch(text):
            raise ValueError(
                f"{text} is {what}: write the number without doubt, or '\"{text}\"' for the text"
            )
    if text in _WORDS:
        return _WORDS[text]
    if _FLOAT.fullmatch(text):
        return float(text.replace(".", ""))
    if _DATE.fullmatch(text):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of \d in quotes
            found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _container(text) if text[:1] in _BRACKETS else text
    return text if found is ... else found


def mapping(text: str) -> Arguments:
    """Return the arguments that a JSON object, or a mapping of YAML in braces, gives.

    Raises
    ------
    ValueError
        If it is neither.
    """
    try:
        return Arguments(dict(json.loads(text)))
    except ValueError as error:
        reason = error
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if isinstance(node, yaml.MappingNode) and not _has_lone_key(node):
            return arguments_from(node)  # type: ignore[no-any-return]
    except yaml.YAMLError:
        pass
    raise ValueError(f"not a JSON object: {reason}")


def words(text: str) -> list[str]:
    """Split a text at blanks, but not in brackets, nor in quotes that begin a value."""
    found = [""]
    closing: list[str] = []
    before = " "
    for sign in text:
        if closing and sign == closing[-1]:
            closing.pop()
        elif closing and closing[-1] in _QUOTES:
            pass
        elif sign in "([{" or (sign in _QUOTES and before in " =[({,:"):
            closing.append({"(": ")", **_BRACKETS}[sign])
        elif sign.isspace() and not closing:
            found.append("")
            before = " "
            continue
        found[-1] += sign
        before = " " if sign.isspace() else sign
    return [one for one in found if one]


def is_quoted(text: str) -> bool:
    """Whether a text stands in quotes, so that it is meant as text."""
    return text.strip()[:1] in {"'", '"'}


def from_node(node: Any) -> Any:
    """Return what a node of a YAML document means; plain scalars mean what they mean on the command line."""
    import yaml

    match node:
        case yaml.ScalarNode() if _is_plain(node):
            return read(node.value) if node.value else None
        case yaml.SequenceNode():
            return [from_node(one) for one in node.value]
        case yaml.MappingNode():
            _flatten(node)
            return {_key(key): from_node(value) for key, value in node.value}
        case _:
            return yaml.SafeLoader("").construct_object(node, deep=True)


def arguments_from(node: Any) -> Any:
    """Return the arguments that a mapping of a YAML document gives, or what else the node means."""
    import yaml

    match node:
        case yaml.MappingNode():
            _flatten(node)
            return merged([_argument(str(key.value), value) for key, value in node.value])
        case yaml.SequenceNode():
            return [arguments_from(one) for one in node.value]
        case _:
            return node.value if isinstance(node, yaml.ScalarNode) else from_node(node)


def _argument(name: str, node: Any) -> Arguments:
    if _is_plain(node):
        # nothing after the colon is null to YAML
        return Arguments.of(name, node.value) if node.value else Arguments({name: None})
    return Arguments({name: from_node(node)})


def _is_plain(node: Any) -> bool:
    """Whether it is text without quotes, and without a tag such as !!str."""
    import yaml

    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return False
    resolver: Any = yaml.SafeLoader("")
    return bool(resolver.resolve(yaml.ScalarNode, node.value, (True, False)) == node.tag)


def _flatten(node: Any) -> None:
    """Resolve ``<<: *other``."""
    import yaml

    if any(key.tag == f"{_STANDARD}merge" for key, _ in node.value):
        yaml.SafeLoader("").flatten_mapping(node)


def _key(node: Any) -> Any:
    found = from_node(node)
    return tuple(found) if isinstance(found, list) else found


def _container(text: str) -> Any:
    """Read ``[a, 'b', yes]`` and ``{a: 1}``, which are literals of YAML, or of JSON, and not of Python."""
    import yaml

    if text[-1] != _BRACKETS[text[0]]:
        return text  # such as {year}_UL, and [ab]*
    doubt = f"{text} begins and ends as a literal and is none: put quotes around it if it is a text"
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = from_node(node)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(doubt) from error
    if _has_lone_key(node):
        raise ValueError(
            f"{text} has a key without a value: write {{key: value}}, with a space; or quotes around all"
        )
    return found


def _has_lone_key(node: Any) -> bool:
    import yaml

    if isinstance(node, yaml.MappingNode):
        return any((_is_plain(value) and not value.value) or _has_lone_key(value) for _, value in node.value)
    return isinstance(node, yaml.SequenceNode) and any(map(_has_lone_key, node.value))
