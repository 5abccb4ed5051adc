"""The shop's inventory: items, stock, reservations and delivery times as JSON over HTTP."""

from inventory.app import create_app as create_app
