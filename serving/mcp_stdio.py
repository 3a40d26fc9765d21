"""An assistant on this machine's standard input in; the gateway's MCP tools, with a key, out."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from mcp import Client, stdio_server
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server, ServerRequestContext
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from lorekeeper.errors import NotReachable
from lorekeeper.settings import Serving

PATIENCE = 600.0  # seconds for one answer, the queue included


def run(serving: Serving) -> None:
    """Pass on what the gateway offers, until standard input ends.

    Raises:
        NotReachable: the gateway does not answer, or does not take the key.
    """
    asyncio.run(_run(serving))


async def _run(serving: Serving) -> None:
    url = f"{serving.gateway_url}/mcp"
    key = serving.gateway_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    await _check(url, headers)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as gateway,
        stdio_server() as (read, write),
    ):
        server = bridge(gateway)
        await server.run(read, write, server.create_initialization_options())


def bridge(gateway: Client) -> Server[Any]:
    """A server whose tools are the gateway's."""

    async def tools(
        _: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return await gateway.list_tools(cursor=params.cursor if params else None)

    async def call(_: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        return await gateway.call_tool(params.name, dict(params.arguments or {}))

    return Server(
        "lorekeeper",
        instructions=gateway.instructions,
        on_list_tools=tools,
        on_call_tool=call,
    )


async def _check(url: str, headers: dict[str, str]) -> None:
    """Say in words what the protocol would only call an error."""
    try:
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            answer = await http.post(url, json={})
    except httpx2.HTTPError as error:
        raise NotReachable(
            f"No gateway answers at {url}.", fix="Start it: `lore up`, or `lore serve`."
        ) from error
    if answer.status_code in {401, 429, 501}:
        raise NotReachable(
            f"The gateway refused: {answer.json()['error']['message']}",
            fix="LORE_SERVING__GATEWAY_KEY holds the key that is sent.",
        )
