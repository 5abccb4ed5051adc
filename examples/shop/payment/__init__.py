"""The shop's payment service: charges cards through an acquirer."""

from payment.app import create_app as create_app
