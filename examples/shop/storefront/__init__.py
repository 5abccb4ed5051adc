"""The shop's storefront: products, carts, checkout and orders as JSON over HTTP."""

from storefront.app import create_app as create_app
