"""Shapes that stand in many places of the description are written once: prices, their models, what lies around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from billing import modifiers, price
from billing.pricing_model import models

Document = dict[str, Any]


def share(spec: Document) -> Document:
    """The description with each known shape as a component, and a reference wherever it stands."""
    shapes = _shapes()
    names = {_text(schema): name for name, schema in shapes.items()}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        return _reference(node, names) or {key: walk(inner) for key, inner in node.items()}

    shared: Document = walk(spec)
    schemas = shared["components"]["schemas"]
    for name, schema in shapes.items():
        schemas[name] = {key: walk(inner) for key, inner in schema.items()}
    return shared


def _reference(node: Mapping[str, Any], names: Mapping[str, str]) -> Document | None:
    """A reference in place of a known shape; it may have a description of its own."""
    if not ({"oneOf", "title", "properties"} & node.keys()):
        return None
    name = names.get(_text(node))
    if name is not None:
        return {"$ref": f"#/components/schemas/{name}"}
    bare = names.get(_text({key: value for key, value in node.items() if key != "description"}))
    return {"$ref": f"#/components/schemas/{bare}", "description": node["description"]} if bare else None


def _shapes() -> dict[str, Document]:
    around = modifiers.schema()
    found: dict[str, Document] = {"Price": price.schema(), "Overage": around["commitment"]["properties"]["overage"]}
    for name, model in models().items():
        words = "".join(word.capitalize() for word in name.split("_"))
        found[f"Price{words}"] = model.schema(around)
        found[f"Overage{words}"] = model.schema({})
    found["RoundQuantity"] = around["round_quantity"]
    found["Commitment"] = around["commitment"]
    plain: dict[str, Document] = json.loads(json.dumps(found))
    return plain


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)
