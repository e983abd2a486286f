from __future__ import annotations

from typing import Annotated

from pydantic import Field

from so8t.tools.decorator import tool
from so8t.tools.web import Hosts, fetch


@tool(effects={"network"}, timeout=30)
async def http_get(
    hosts: Hosts, url: Annotated[str, Field(description="Web address, with or without https://")]
) -> str:
    """Fetch a web address and show its text."""
    page = await fetch(url, hosts)
    kind = page.content_type.partition(";")[0].strip() or "no content type"
    return f"{page.url} answered {page.status} ({kind})\n\n{page.text}"
