"""Adapters to other libraries; nothing in the package imports them."""
