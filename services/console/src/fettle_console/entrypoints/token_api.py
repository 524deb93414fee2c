"""`/api/v1/orgs/{org}/tokens`: the org's API tokens. A token's text stands in the answer to its creation only."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from uuid_utils.compat import uuid7

from fettle_chassis.answers import Answer
from fettle_chassis.http import IdempotencyKey, Problem
from fettle_chassis.tokens import Role
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_console.adapters.answers import Written
from fettle_console.adapters.audit import Heard
from fettle_console.console import Console, TheConsole
from fettle_console.domain.credentials import (
    DEFAULT_LIFE,
    LONGEST_LIFE,
    SECRET_BYTES,
    Token,
    hash_of,
    token_text,
)
from fettle_console.entrypoints.audited import heard
from fettle_console.entrypoints.guards import Holder, administrator
from fettle_console.entrypoints.writes import LineOfText, first_answer
from fettle_contracts.message import Message
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant

router = APIRouter(prefix="/api/v1/orgs/{org}/tokens", tags=["tokens"])


class NewToken(Message):
    """A token to be. `name` is shown wherever its holder acts; it ends after `expires_in_s` (90 days)."""

    role: Role
    name: LineOfText = Field(default="", max_length=120)
    expires_in_s: int = Field(default=int(DEFAULT_LIFE.total_seconds()), ge=1, le=int(LONGEST_LIFE.total_seconds()))


class TokenView(Message):
    """A token, without its text. `used_at` is its last use, to five minutes; null: it was never used."""

    id: str
    role: Role
    name: str
    created_at: Instant
    created_by: str
    expires_at: Instant
    used_at: Instant | None


class MintedToken(TokenView):
    """A new token with its text, this once."""

    token: str


class TokenPage(Message):
    """A page of tokens, oldest first."""

    items: tuple[TokenView, ...]
    next_cursor: str | None


@router.post(
    "",
    status_code=201,
    response_model=MintedToken,
    responses={200: {"model": TokenView}},
)
async def mint_token(
    org: str, new: NewToken, request: Request, holder: Holder, console: TheConsole, key: IdempotencyKey
) -> JSONResponse:
    """Mint a token for the org. Admins may, and the installation's own token.

    A repeat with the same `Idempotency-Key` mints nothing: it is answered 200 with the token that was made then, but
    without its text, which stands in the first answer only, as nothing but its hash is kept. Who has lost that answer
    revokes the token by its `id` and mints another one under another key.
    """
    actor = await administrator(org, holder, console)
    answer = await minted(org, new, actor, console, key, heard(request))
    return JSONResponse(answer.body, answer.status, {"cache-control": "no-store"})


async def minted(org: str, new: NewToken, actor: str, console: Console, key: str | None, heard: Heard) -> Answer:
    """The new token with its text, or without it for a repeat under the key; the audit log hears which. Raises
    `Problem` 422 for a key that came with something else."""

    async def write(work: UnitOfWork) -> Written:
        text = token_text(secrets.token_bytes(SECRET_BYTES))
        token = _token(org, new, actor, console.now())
        await console.tokens.add(work, token, hash_of(text))
        view = _shown(token).to_dict()
        return Written(Answer(201, {**view, "token": text}), again=Answer(200, view))

    answer = await first_answer(console, org, key, f"token {actor} {new.model_dump_json()}", write)
    body = answer.body or {}
    heard.about = {"name": body["name"], "role": body["role"], "token": body["id"]}
    return answer


@router.get("")
async def list_tokens(
    org: str,
    holder: Holder,
    console: TheConsole,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TokenPage:
    """The org's tokens, oldest first, those that have ended too."""
    await administrator(org, holder, console)
    tokens = await console.tokens.page(org, cursor, limit + 1)
    page = [_shown(token) for token in tokens[:limit]]
    return TokenPage(items=tuple(page), next_cursor=page[-1].id if len(tokens) > limit else None)


@router.delete("/{id}", status_code=204)
async def revoke_token(org: str, id: UUID, request: Request, holder: Holder, console: TheConsole) -> None:
    """Revoke a token; sessions of people who signed in with it end too."""
    await administrator(org, holder, console)
    if not await revoked(org, id, console, heard(request)):
        raise Problem(404, ProblemCode.NOT_FOUND, "The org has no such token.")


async def revoked(org: str, id: UUID, console: Console, heard: Heard) -> bool:
    """Whether there was such a token; the audit log hears what it was, as nothing else will know."""
    token = await console.tokens.revoke(org, id)
    if token is None:
        return False
    heard.about = {"name": token.name, "role": token.role.value, "made by": token.created_by}
    return True


def _token(org: str, new: NewToken, actor: str, now: datetime) -> Token:
    return Token(
        id=str(uuid7()),
        org=org,
        role=new.role,
        name=new.name.strip() or f"{new.role.value} token",
        created_at=now,
        expires_at=now + timedelta(seconds=new.expires_in_s),
        created_by=actor,
    )


def _shown(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        role=token.role,
        name=token.name,
        created_at=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
        used_at=token.used_at,
    )
