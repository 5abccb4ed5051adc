"""FastAPI answers with two asynchronous Redis commands and one asynchronous PostgreSQL query."""

from fastapi_app import app
from handing import measure_asgi

measure_asgi(app, "/customers/7")
