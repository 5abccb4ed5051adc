"""The shop's fulfilment worker: packs the orders that the storefront announces."""
