"""Flask answers with two Redis commands, one PostgreSQL query and one HTTP call."""

from flask_app import app
from handing import measure_wsgi

measure_wsgi(app, "/customers/7")
