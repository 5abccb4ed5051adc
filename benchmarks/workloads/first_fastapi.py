"""Import FastAPI, answer one request, end."""

import asyncio

from fastapi_app import app
from handing import asgi


async def main() -> None:
    await asgi(app, "/hello/world")()


asyncio.run(main())
