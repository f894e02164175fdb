"""Getting text from the web for the built-in agent."""

from __future__ import annotations

from app.domain.errors import DriverError
from app.version import VERSION

_CAP = 2 * 1024 * 1024  # bytes of one page
_SECONDS = 30.0
_TEXT = ("text/", "application/json", "application/xml", "application/xhtml", "+json", "+xml")


async def fetch(url: str) -> str:
    """The text at `url`, its start if it is long. Raises DriverError.

    What was approved is this address: a redirection to another is told and not followed.
    """
    import httpx2

    headers = {"User-Agent": f"longwatch/{VERSION}", "Accept": "text/*, application/json"}
    body = bytearray()
    try:
        async with (
            httpx2.AsyncClient(timeout=_SECONDS, headers=headers, trust_env=True) as client,
            client.stream("GET", url) as response,
        ):
            status = f"HTTP {response.status_code}"
            if response.is_redirect:
                return f"{status}: it redirects to {response.headers.get('location', 'nowhere')}"
            kind = response.headers.get("content-type", "text/plain").lower()
            if not any(word in kind for word in _TEXT):
                raise DriverError(f"{url} is no text: {kind}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) >= _CAP:
                    break
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DriverError(f"{url}: {str(error) or type(error).__name__}") from error
    text = bytes(body[:_CAP]).decode(response.encoding or "utf-8", "replace")
    if response.is_error:
        raise DriverError(f"{url}: {status}: {text[:500]}")
    return text
