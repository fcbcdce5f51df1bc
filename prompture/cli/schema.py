"""``prompture schema``, and how a schema is named on a command line.

A schema is ``path.py:Name``, ``module:Name``, ``schema.json``, JSON text or a list of fields.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from prompture.cli.console import echo, write_json
from prompture.errors import ConfigurationError, SchemaError
from prompture.given import unknown, why
from prompture.schema.problems import words_of
from prompture.wire.loading import UnreadableJSON, load_json


@click.command("schema")
@click.argument("schema")
@click.option("-d", "--dialect", default="openai", show_default=True, help="Or a provider's name.")
@click.option("--changes-only", is_flag=True, help="The report without the schema.")
def command(schema: str, dialect: str, changes_only: bool) -> None:
    """Rewrite SCHEMA (models.py:Class, schema.json, or fields) for a provider's dialect.

    The schema goes to stdout, the changes to stderr: what was rewritten, where, and what the
    model is no longer forced to obey and is only checked afterwards.
    """
    from prompture.schema import preflight, rewrite
    from prompture.schema.source import source

    given, name = source(schema_of(schema)).json_schema, _dialect(dialect)
    made = rewrite(given, name)
    if not changes_only:
        write_json(sys.stdout, made.schema, indent=2)
    for change in made.changes:
        echo(str(change), err=True)
    for excess in preflight(given, name):
        click.echo(f"too large: {name} {excess}; the rest becomes JSON text", err=True)
    if not made.changes:
        click.echo("nothing was changed", err=True)


def _dialect(name: str) -> str:
    from prompture.drivers import registry
    from prompture.errors import UnknownModel

    try:
        return registry.find(name).features.schema_dialect
    except UnknownModel:
        return name


_TYPES: dict[str, dict[str, object]] = {
    "str": {"type": "string"},
    "string": {"type": "string"},
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "money": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
}
_FIELD = re.compile(
    r"\s*(?P<name>[^\W\d]\w*)\s*(?P<optional>\?)?\s*(?::\s*(?P<type>[\w|]+)\s*(?P<list>\[\])?)?\s*"
    r"(?P<quoted>\"[^\"]*\")?\s*"
)


def schema_of(text: str) -> Any:
    """A schema out of ``path.py:Name``, ``module:Name``, ``schema.json``, JSON text, or a list of
    fields such as ``"name, total: number, tags: string[], note?"``.

    A ``.py`` file is run to get its class. Raises SchemaError and ConfigurationError.
    """
    if text.lstrip().startswith("{"):
        return _json(text, "the schema on the command line")
    path, colon, name = text.rpartition(":")
    if colon and path.endswith(".py") and name.isidentifier():
        return _attribute(file_module(path), name, path)
    if text.endswith(".py"):
        raise ConfigurationError(
            f"say which class of {text}: {text}:NAME ({_classes(file_module(text))})"
        )
    if text.endswith((".json", ".schema")) or Path(text).is_file():
        return _json(_read(text), text)
    # Only a capital letter makes it a class: "total: number" is a field.
    if colon and re.fullmatch(r"[\w.]+\.[\w.]+|\w+", path) and re.fullmatch(r"[A-Z]\w*", name):
        return _attribute(imported(path), name, path)
    return fields_of(text)


def imported(module: str) -> ModuleType:
    """A module by its name, from the working directory as well. Raises ConfigurationError."""
    here = str(Path.cwd())
    if here not in sys.path:
        # As ``python -m`` does; a console script has only its own folder.
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigurationError(f"cannot import {module!r}: {exc}") from exc
    except (Exception, SystemExit) as exc:  # the user's module may raise anything, or end
        raise ConfigurationError(f"{module} raised {type(exc).__name__}: {words_of(exc)}") from exc


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"cannot read the schema {path!r}: {why(exc)}") from exc


def _json(text: str, where: str) -> Any:
    try:
        return load_json(text)
    except UnreadableJSON as exc:
        raise SchemaError(f"{where} is not JSON: {exc}") from exc


def file_module(path: str) -> ModuleType:
    if not Path(path).is_file():
        raise ConfigurationError(f"there is no file {path!r}")
    name = f"_prompture_schema_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Pydantic and dataclasses look their own module up while classes are made.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:  # the user's file may raise anything, or end
        raise ConfigurationError(f"{path} raised {type(exc).__name__}: {words_of(exc)}") from exc
    return module


def _attribute(module: ModuleType, name: str, where: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigurationError(f"{where} has no {name!r}; it has {_classes(module)}") from None


def _classes(module: ModuleType) -> str:
    """The classes that are defined in the module, not those that it imports."""
    mine = [n for n, v in vars(module).items() if isinstance(v, type) and n[0] != "_"]
    own = [n for n in mine if getattr(vars(module)[n], "__module__", "") == module.__name__]
    return ", ".join(own) or "no classes"


def fields_of(text: str) -> dict[str, object]:
    """The JSON Schema of ``"name, total: number, size: small|large, tags: string[], note?"``.

    A type is one of string, integer, number, boolean, date, datetime, time, email, url, or
    choices with ``|``; a field without one is a string. ``?`` allows null. A quoted text after
    the field describes it.
    """
    properties: dict[str, object] = {}
    # At commas outside of quotes: an even number of quotes follows them.
    for piece in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text):
        found = _FIELD.fullmatch(piece)
        if not found:
            raise SchemaError(
                f"cannot read the field {piece.strip()!r}; write fields as 'name, total: number', "
                f"or name a file: schema.json, models.py:Receipt"
            )
        if found["name"] in properties:
            raise SchemaError(f"the field {found['name']!r} is named twice")
        properties[found["name"]] = _property(found)
    return {
        "title": "Fields",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _property(found: re.Match[str]) -> dict[str, object]:
    kind = found["type"] or "string"
    if kind in _TYPES:
        made = dict(_TYPES[kind])
    elif "|" in kind:
        made = {"type": "string", "enum": kind.split("|")}
    else:
        raise SchemaError(f"{found['name']}: {unknown('type', kind, sorted(_TYPES))}, and a|b|c")
    if found["list"]:
        made = {"type": "array", "items": made}
    if found["optional"]:
        made = {"anyOf": [made, {"type": "null"}]}
    if found["quoted"]:
        made["description"] = found["quoted"].strip('"')
    return made
