"""Writes what the client takes from openapi.json: the shapes (by datamodel-code-generator) and a method for each operation."""

import json
import keyword
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "openapi.json"
PACKAGE = HERE / "chaintape_client"
SHAPES = [
    "--input-file-type", "openapi", "--output-model-type", "typing.TypedDict", "--use-standard-collections",
    "--use-union-operator", "--target-python-version", "3.11", "--disable-timestamp", "--use-schema-description",
    "--formatters", "builtin", "--disable-warnings",
]  # fmt: skip
TYPES = {"string": "str", "integer": "int", "boolean": "bool", "number": "float"}


def snake(name: str) -> str:
    """`getUserMetrics` as Python writes it."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def argument(name: str) -> str:
    """A parameter's name that Python takes: `from` is a word of the language."""
    return snake(name) + ("_" if keyword.iskeyword(name) else "")


def kind(schema: dict) -> str:
    """The type of a parameter."""
    kinds = [one for one in ([schema["type"]] if isinstance(schema["type"], str) else schema["type"]) if one != "null"]
    return " | ".join(TYPES[one] for one in kinds)


def method(path: str, operation: dict) -> str:
    """One method, without those that do not answer with a shape."""
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" not in answer:
        return ""
    shape = answer["$ref"].rsplit("/", 1)[-1]
    parameters = operation.get("parameters", [])
    places = [one for one in parameters if one["in"] == "path"]
    asked = [one for one in parameters if one["in"] == "query"]
    needed = "".join(f", {argument(one['name'])}: {kind(one['schema'])}" for one in places)
    by_name = ["        *,\n"] if asked else []
    for one in sorted(asked, key=lambda one: not one.get("required", False)):
        default = "" if one.get("required", False) else " | None = None"
        by_name.append(f"        {argument(one['name'])}: {kind(one['schema'])}{default},\n")
    says = (operation.get("summary") or operation.get("description") or "").strip()
    filled = "{" + ", ".join(f'"{one["name"]}": {argument(one["name"])}' for one in places) + "}"
    query = "{" + ", ".join(f'"{one["name"]}": {argument(one["name"])}' for one in asked) + "}"
    head = f"    async def {snake(operation['operationId'])}(self{needed}) -> schema.{shape}:\n"
    if by_name:
        head = f"    async def {snake(operation['operationId'])}(\n        self{needed},\n{''.join(by_name)}    ) -> schema.{shape}:\n"
    return f'{head}        """{says}"""\n        answer = await self._get("{path}", {filled}, {query})\n        return cast(schema.{shape}, answer)\n'


def main() -> None:
    """Writes both files."""
    shapes = [sys.executable, "-m", "datamodel_code_generator", "--input", DOCUMENT, "--output", PACKAGE / "schema.py"]
    subprocess.run([*shapes, *SHAPES], check=True)
    paths = json.loads(DOCUMENT.read_text())["paths"]
    methods = [method(path, operations["get"]) for path, operations in paths.items()]
    head = '"""A method for each operation of the api, generated from openapi.json by generate.py."""\n\n'
    head += "from typing import Any, Mapping, cast\n\nfrom . import schema\n\n\nclass Operations:\n"
    head += '    """The operations; `Rest` sends them."""\n\n'
    head += "    async def _get(self, path: str, places: Mapping[str, str], query: Mapping[str, Any]) -> Any:\n"
    head += "        raise NotImplementedError\n\n"
    (PACKAGE / "operations.py").write_text(head + "\n".join(one for one in methods if one))


if __name__ == "__main__":
    main()
