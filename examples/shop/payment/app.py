"""The payment service's application factory."""

from typing import Any

from flask import Blueprint, Flask, abort, request

from payment import acquirer

blueprint = Blueprint("charges", __name__, url_prefix="/charges")


def create_app() -> Flask:
    """Build the application."""
    app = Flask(__name__)
    app.register_blueprint(blueprint)
    return app


@blueprint.post("")
def charge() -> tuple[dict[str, Any], int]:
    """Charge a card."""
    body = request.get_json()
    if not isinstance(body.get("card"), str) or not isinstance(body.get("amount_cents"), int):
        abort(400, "send a card and an amount in cents")
    try:
        reference = acquirer.authorise(body["card"], body["amount_cents"])
    except acquirer.Declined as error:
        return {"reason": str(error)}, 402
    return {"id": reference}, 201
