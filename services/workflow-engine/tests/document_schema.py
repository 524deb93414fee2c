"""Documents as an editor sees them: by the schema alone."""

import io

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fettle_workflow_engine.domain.schema import document_schema

SCHEMA = document_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def refused_by_schema(text: str) -> bool | None:
    """Whether the schema finds something; None for a text that has no form at all."""
    try:
        document = YAML(typ="safe", pure=True).load(io.StringIO(text.replace("\t", " ")))
    except (YAMLError, ValueError):
        return None
    return not VALIDATOR.is_valid(document)
