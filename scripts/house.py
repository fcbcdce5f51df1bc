"""Measure the package's own order: files, sizes, names, comments, circles of imports.

    python scripts/house.py [package]     a table, then what breaks a rule
    python scripts/house.py --picture     write the picture of the imports into ARCHITECTURE.md

The rules are held by tests/test_house.py.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "prompture"
MODULE_LINES = 400
FUNCTION_LINES = 60
FILES = 333  # 254 of the first three issues (goal 250), and what documents, long texts and the page need
ANY_PER_1000 = 30
BANNED = (
    "tell told teller say says said unsaid carry carries carried handed lent room ink till shelf "
    "shelves keeper witness hull mirror desk patient worn blame blames likeness colour"
)
"""Words that the field has no use for, as parts of identifiers. ``hand_out`` is one as a whole."""
ALLOWED = {"colour": "sync or async: defined in ARCHITECTURE.md"}
"""Words that are allowed, with the reason."""
ALLOWED_NAMES = {"say": "Conversation.say is public, and what one does in a conversation"}
SAME_FILE_NAMES = {
    "__init__": "Python's own",
    **dict.fromkeys(
        ("anthropic", "azure", "bedrock", "cohere", "ollama"), "a provider's codec and its row"
    ),
    "base": "what every codec, and what every driver, is made of",
    "cost": "the price of usage, and the price of a driver's call",
}
"""File names that may stand in several packages, with the reason."""


@dataclass(frozen=True)
class Module:
    path: Path

    @cached_property
    def name(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> int:
        return self.text.count("\n")

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def comments(self) -> int:
        """Lines that are comments, without those that are for tools."""
        found = (t.string for t in self.tokens if t.type == tokenize.COMMENT)
        return sum(not re.match(r"#\s*(type:|noqa|pragma|fmt:|!)", text) for text in found)

    @cached_property
    def docstring_lines(self) -> set[int]:
        found: set[int] = set()
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
                continue
            if isinstance(node.value.value, str):
                found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return found

    @cached_property
    def code_lines(self) -> int:
        skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT)
        used = {
            line
            for t in self.tokens
            if t.type not in (*skipped, tokenize.DEDENT, tokenize.ENDMARKER)
            for line in range(t.start[0], t.end[0] + 1)
        }
        return len(used - self.docstring_lines)

    @cached_property
    def anys(self) -> int:
        names = (n for n in ast.walk(self.tree) if isinstance(n, ast.Name))
        quoted = sum(
            len(re.findall(r"\bAny\b", n.value))
            for n in ast.walk(self.tree)
            if isinstance(n, ast.Constant)
            and isinstance(n.value, str)
            and n.lineno not in self.docstring_lines
            and re.search(r"\bAny\b(?=[\]|, ]|$)", n.value)
        )
        return sum(n.id == "Any" for n in names) + quoted

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]

    @cached_property
    def identifiers(self) -> set[str]:
        """Names that this module gives: not those of attributes of others."""
        found = {self.path.stem}
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
        return found


@cache
def modules(package: str = "") -> list[Module]:
    below = ROOT / PACKAGE / package.removeprefix(f"{PACKAGE}/").replace(".", "/")
    paths = [below] if below.suffix == ".py" else sorted(below.rglob("*.py"))
    return [Module(path) for path in paths if "__pycache__" not in path.parts]


def words(name: str) -> list[str]:
    """The words of an identifier in snake_case or CamelCase."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


def banned(name: str) -> set[str]:
    parts = [word.lower() for word in words(name)]
    found = {word for word in parts if word in BANNED.split() and word not in ALLOWED}
    if any(pair == ("hand", "out") for pair in pairwise(parts)):
        found.add("hand_out")
    return found if not keyword.iskeyword(name) else set()


def long_modules(found: list[Module]) -> list[str]:
    return [f"{m.name}: {m.lines} lines" for m in found if m.lines > MODULE_LINES]


def long_functions(found: list[Module]) -> list[str]:
    return [
        f"{m.name}:{f.lineno} {f.name}: {size} lines"
        for m in found
        for f in m.functions
        if (size := (f.end_lineno or f.lineno) - f.lineno + 1) > FUNCTION_LINES
    ]


def banned_names(found: list[Module]) -> list[str]:
    return [
        f"{m.name}: {name} ({', '.join(sorted(bad))})"
        for m in found
        for name in sorted(m.identifiers)
        if (bad := banned(name)) and name not in ALLOWED_NAMES
    ]


def class_names_twice(found: list[Module]) -> list[str]:
    """Public classes at the top of modules."""
    places = defaultdict(list)
    for m in found:
        for node in m.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(m.name)
    return [f"{name}: {', '.join(at)}" for name, at in sorted(places.items()) if len(at) > 1]


def file_names_twice(found: list[Module]) -> list[str]:
    places = defaultdict(list)
    for m in found:
        places[m.path.stem].append(m.name)
    return [
        f"{name}: {', '.join(at)}"
        for name, at in sorted(places.items())
        if len(at) > 1 and name not in SAME_FILE_NAMES
    ]


def imports(module: Module, known: set[str]) -> dict[str, str]:
    """The modules of the package that it imports, anywhere, and how: ``top``, ``lazy`` (within a
    function) or ``types`` (for type checkers alone)."""
    found: dict[str, str] = {}

    def note(name: str, how: str) -> None:
        if name in known and name != module.name:
            order = ("top", "lazy", "types")
            found[name] = min(how, found.get(name, how), key=order.index)

    for node, how in _with_place(module.tree, "top"):
        if isinstance(node, ast.Import):
            for alias in node.names:
                note(alias.name, how)
        elif isinstance(node, ast.ImportFrom):
            home = _absolute(node, module)
            for alias in node.names:
                inner = f"{home}.{alias.name}"
                note(inner if inner in known else home, how)
    return found


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    """The module that an import names, of which a relative one names only the end."""
    if not node.level:
        return node.module or ""
    up = node.level - (module.path.name == "__init__.py")
    package = module.name.rsplit(".", up)[0] if up else module.name
    return f"{package}.{node.module}" if node.module else package


def _with_place(node: ast.AST, how: str) -> Iterator[tuple[ast.AST, str]]:
    for child in ast.iter_child_nodes(node):
        place = how
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            place = "lazy" if how == "top" else how
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for inner in child.body:
                yield inner, "types"
                yield from _with_place(inner, "types")
            for inner in child.orelse:
                yield inner, how
                yield from _with_place(inner, how)
            continue
        yield child, place
        yield from _with_place(child, place)


def circles() -> list[str]:
    """Groups of modules that import each other in a circle, lazy and type-only imports included.

    A package's ``__init__`` that imports what it exports is no circle by itself, for nothing
    below it imports the package as a whole.
    """
    found = modules()
    known = {m.name for m in found}
    graph = {m.name: imports(m, known) for m in found}
    return [" <-> ".join(sorted(group)) for group in _strong(graph) if len(group) > 1]


def _strong(graph: dict[str, dict[str, str]]) -> list[list[str]]:
    """Strongly connected components (Tarjan), without recursion in depth of the graph."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    work.append((other, iter(graph[other])))
                    break
                if other in stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    found.append(stack[at:])
                    del stack[at:]
    return found


FLOORS = (
    ("F6", "cli", "testing"),
    ("F5", "agents"),
    ("F5", "extraction"),
    ("F4", "flows"),
    ("F3", "spend"),
    ("F3", "drivers"),
    ("F2", "codecs", "catalog", "rules", "page"),
    ("F1", "documents"),
    ("F1", "wire", "schema", "media"),
    (
        "F0",
        *("given", "errors", "traces", "types", "money"),
        *("copying", "forks", "compat", "startup", "provider_names", "observe"),
        *("json_values", "sqlite_file", "quiet", "parts", "document_errors", "markup"),
    ),
)
"""From the top down; those of one line do not import each other, but for F0's."""
BEGIN, END = "<!-- imports: made by scripts/house.py --picture -->\n```text\n", "```\n<!-- end -->"


def picture() -> str:
    """The packages by floor, each with those right below that it imports when it is imported,
    without those that one of these brings anyway."""
    found = modules()
    known = {m.name for m in found}
    owners = {name: _owner(name) for name in known}
    below: dict[str, set[str]] = defaultdict(set)
    floor_of = {name: at for at, line in enumerate(FLOORS) for name in line[1:]}
    base = set(FLOORS[-1][1:])
    for m in found:
        for other in imports(m, known):
            if floor_of.get(owners[other], 0) > floor_of.get(owners[m.name], 99):
                below[owners[m.name]].add(owners[other])
    lines = []
    for floor, *packages in FLOORS[:-1]:
        for package in packages:
            direct = below[package] - base - {""}
            brought = {inner for each in direct for inner in _all_below(each, below)}
            lines.append(f"{floor}  {package:<11} -> {'  '.join(sorted(direct - brought)) or 'F0'}")
        lines.append("")
    lines.append(f"F0  {'  '.join(FLOORS[-1][1:])}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _owner(name: str) -> str:
    """The package or top module that a module belongs to; "" for the package's own door."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def _all_below(package: str, below: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [package]
    while left:
        for each in below.get(left.pop(), set()) - found:
            found.add(each)
            left.append(each)
    return found


def write_picture(page: Path = ROOT / "ARCHITECTURE.md") -> None:
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    page.write_text(f"{before}{BEGIN}{picture()}{END}{after}", encoding="utf-8")


def table(found: list[Module]) -> None:
    by_package: dict[str, list[Module]] = defaultdict(list)
    for m in found:
        parts = m.path.relative_to(ROOT / PACKAGE).parts
        by_package[parts[0] if len(parts) > 1 else "(top)"].append(m)
    head = ("package", "files", "lines", "code", "comments/100", "docstrings/100", "Any/1000")
    print("{:<12}{:>7}{:>8}{:>8}{:>14}{:>16}{:>10}".format(*head))
    for name, group in [*sorted(by_package.items()), ("all", found)]:
        code = sum(m.code_lines for m in group)
        row = (
            len(group),
            sum(m.lines for m in group),
            code,
            100 * sum(m.comments for m in group) / code,
            100 * sum(len(m.docstring_lines) for m in group) / code,
            1000 * sum(m.anys for m in group) / code,
        )
        print("{:<12}{:>7}{:>8}{:>8}{:>14.1f}{:>16.1f}{:>10.1f}".format(name, *row))


def main() -> None:
    if sys.argv[1:] == ["--picture"]:
        write_picture()
        return
    found = modules(sys.argv[1] if len(sys.argv) > 1 else "")
    table(found)
    everything = modules()
    for title, broken in {
        f"modules past {MODULE_LINES} lines": long_modules(found),
        f"functions past {FUNCTION_LINES} lines": long_functions(found),
        "banned words in names": banned_names(found),
        "public class names twice": class_names_twice(everything),
        "file names twice": file_names_twice(everything),
        "circles of imports": circles(),
    }.items():
        print(f"\n{title}: {len(broken)}")
        for line in broken:
            print(f"  {line}")


if __name__ == "__main__":
    main()
