"""Every document that a test loads without fault is held against the published schema."""

from collections.abc import Iterator

import pytest
from document_schema import refused_by_schema

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain import validate
from fettle_workflow_engine.domain.document import Draft, read_document
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.languages import Languages

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
held: set[str] = set()


@pytest.fixture(autouse=True)
def valid_documents_fit_the_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    loaded: set[str] = set()

    def read(text: str) -> Draft:
        loaded.add(text)
        return read_document(text)

    with monkeypatch.context() as patched:
        patched.setattr(validate, "read_document", read)
        yield
    monkeypatch.undo()  # a test's own actions are in no schema
    for text in loaded - held:
        held.add(text)
        try:
            validate.load(text, LANGUAGES)
        except DocumentRefused:
            continue
        assert not refused_by_schema(text), text
