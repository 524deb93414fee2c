"""A document as a tree of plain values that know their place. YAML 1.2 and JSON read the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

from fettle_workflow_engine.domain.faults import DocumentRefused, Fault, Place

SIZE_LIMIT = 64 * 1024
DEPTH_LIMIT = 16
BRACKETS_LIMIT = 200
"""Brackets open at once, in texts or not; the parser takes the square of their number in time."""

Plain: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `text_place` is where the text of a string begins, behind its quote or block mark."""

    value: Plain
    place: Place
    text_place: Place


@dataclass(frozen=True, slots=True)
class Listing:
    """Values in order."""

    items: tuple["Tree", ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key holds, and where the key stands."""

    key_place: Place
    value: "Tree"


@dataclass(frozen=True, slots=True)
class Table:
    """Values by name, in document order."""

    entries: Mapping[str, Entry]
    place: Place


Tree: TypeAlias = Scalar | Listing | Table


def read_tree(text: str) -> Tree:
    """The document as a tree. Raises DocumentRefused: not YAML or JSON, over 64 KiB, nested too deep, a key twice,
    anchors and tags."""
    if len(text.encode(errors="surrogatepass")) > SIZE_LIMIT:
        raise DocumentRefused([Fault(Place(1, 1), f"a document has at most {SIZE_LIMIT // 1024} KiB")])
    if _open_brackets(text) > BRACKETS_LIMIT:
        raise DocumentRefused([Fault(Place(1, 1), "the document is nested too deep")])
    root = _compose(text)
    if root is None:
        raise DocumentRefused([Fault(Place(1, 1), "the document is empty")])
    reader = _Reader()
    tree = reader.read(root, 0)
    if reader.faults:
        raise DocumentRefused(reader.faults)
    return tree


def _open_brackets(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character in "[]{}":
            depth += 1 if character in "[{" else -1
            deepest = max(deepest, depth)
    return deepest


def _compose(text: str) -> YamlNode | None:
    if text.lstrip().startswith("{"):
        text = text.replace(
            "\t", " "
        )  # JSON may be indented with tabs, YAML may not; inside its strings none can stand
    try:
        node: YamlNode | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        message = " ".join(filter(None, (error.context, error.problem)))
        raise DocumentRefused([Fault(place, f"not YAML: {message}")]) from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise DocumentRefused([Fault(place, "not YAML: a character that text cannot hold")]) from None
    except RecursionError:
        raise DocumentRefused([Fault(Place(1, 1), "the document is nested too deep")]) from None
    except (YAMLError, ValueError) as error:
        raise DocumentRefused([Fault(Place(1, 1), f"not YAML: {error}")]) from None
    return node


class _Reader:
    """Turns composed YAML nodes into a tree, going on after a fault so that all are found."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._seen: set[int] = set()

    def read(self, node: YamlNode, depth: int) -> Tree:
        place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        if id(node) in self._seen:
            self.faults.append(Fault(place, "anchors and aliases are not part of workflow documents"))
            return Scalar(None, place, place)
        self._seen.add(id(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if depth == DEPTH_LIMIT:
            self.faults.append(Fault(place, f"nested deeper than {DEPTH_LIMIT}"))
            return Scalar(None, place, place)
        if isinstance(node, MappingNode):
            return Table(dict(self._entries(node, depth)), place)
        return Listing(tuple(self.read(item, depth + 1) for item in node.value), place)

    def _entries(self, node: MappingNode, depth: int) -> Iterator[tuple[str, Entry]]:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = self.read(key_node, depth + 1)
            value = self.read(value_node, depth + 1)
            if value_node.start_mark.index == value_node.end_mark.index and isinstance(value, Scalar):
                # Nothing stands there, and the parser places it at what comes next: it is missing behind its key.
                value = Scalar(value.value, *[Place(key_node.end_mark.line + 1, key_node.end_mark.column + 2)] * 2)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                self.faults.append(Fault(key.place, "a key must be text"))
            elif key.value in seen:
                self.faults.append(Fault(key.place, f"the key {key.value!r} stands here twice"))
            else:
                seen.add(key.value)
                yield key.value, Entry(key.place, value)

    def _scalar(self, node: ScalarNode, place: Place) -> Scalar:
        return Scalar(self._plain(node, place), place, _text_place(node, place))

    def _plain(self, node: ScalarNode, place: Place) -> Plain:
        kind = str(node.ctag).rpartition(":")[2]
        text: str = node.value
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return text.lower() in ("true", "yes", "on")
                case "int":
                    return int(text.replace("_", ""), 0 if text.lstrip("+-").lower().startswith(("0x", "0o")) else 10)
                case "float":
                    return _finite(float(text.replace("_", "")))
                case "str" | "timestamp" | "merge":
                    return _text(text)
        except UnicodeError as error:
            self.faults.append(Fault(place, str(error)))
        except ValueError:
            self.faults.append(Fault(place, f"{text[:40]!r} is not a number that can be read"))
        else:
            self.faults.append(Fault(place, f"tags are not part of workflow documents: {node.ctag}"))
        return None


def _text(text: str) -> str:
    """JSON writes characters beyond the basic plane as two escapes, which YAML leaves apart."""
    if "\0" in text:
        raise UnicodeError("the character U+0000 cannot stand in text")
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise UnicodeError("half a character: an escape without its other half") from None


def _finite(number: float) -> float:
    if not isfinite(number):
        raise ValueError("JSON knows no infinity")
    return number


def _text_place(node: ScalarNode, place: Place) -> Place:
    """Where the text itself starts: right there, behind a quote, or on the line below a block's mark."""
    if node.style in ("|", ">"):
        return Place(place.line + 1, 1)
    return Place(place.line, place.column + (1 if node.style in ("'", '"') else 0))
